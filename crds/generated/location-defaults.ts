// Generated from crds/ by `npm run generate`. Do not edit.
export const locationDefaults = {
  "volume": {},
  "s3": {
    "forcePathStyle": false
  },
  "sftp": {
    "port": 22
  },
  "azureBlob": {}
} as const
