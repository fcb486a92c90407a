import {
  constants,
  createCipheriv,
  createDecipheriv,
  generateKeyPairSync,
  type KeyObject,
  privateDecrypt,
  publicEncrypt,
  randomBytes,
} from 'node:crypto'

/** The beginning of a sealed line. */
const marker = 'convoke-sealed: '
const cipher = 'aes-256-gcm'
const padding = { padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha256' }

/** A pair of keys for one answer; whoever seals the answer gets the public one, in PEM. */
export function sealingKeys(): { readonly publicPem: string; readonly privateKey: KeyObject } {
  const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 3072 })
  return { publicPem: publicKey.export({ type: 'spki', format: 'pem' }).toString(), privateKey }
}

/** One line that only the private key's holder can read: for an answer about a person that passes through a log. */
export function sealed(text: string, publicPem: string): string {
  const [key, iv] = [randomBytes(32), randomBytes(12)]
  const encryption = createCipheriv(cipher, key, iv)
  const body = Buffer.concat([encryption.update(text, 'utf8'), encryption.final()])
  const parts = [publicEncrypt({ key: publicPem, ...padding }, key), iv, encryption.getAuthTag(), body]
  return `${marker}${parts.map((part) => part.toString('base64')).join('.')}`
}

/** The text of the sealed line in a log; null where there is none. Throws for one that was sealed for another key, or was changed. */
export function unsealed(log: string, privateKey: KeyObject): string | null {
  const line = log.split('\n').find((each) => each.startsWith(marker))
  if (line === undefined) return null
  const [wrapped, iv, tag, body] = line
    .slice(marker.length)
    .split('.')
    .map((part) => Buffer.from(part, 'base64'))
  if (!wrapped || !iv || !tag || !body) return null
  const decryption = createDecipheriv(cipher, privateDecrypt({ key: privateKey, ...padding }, wrapped), iv)
  decryption.setAuthTag(tag)
  return Buffer.concat([decryption.update(body), decryption.final()]).toString('utf8')
}
