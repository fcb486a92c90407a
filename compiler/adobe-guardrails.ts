// Every guardrail on the pages of Adobe's that the pattern rests on, and where Convoke says it. docs/adobe-guardrails.md is made from this.
import type { Code } from './codes.ts'
import type { MeasuredCode } from './measured.ts'

export type AdobeGuardrail = {
  readonly guardrail: string
  /** The number, or what is allowed, in the page's own words as far as they are short. */
  readonly limit: string
  /** `hard`: the platform enforces it; `soft`: performance is no longer assured beyond it; `unsaid`: the page does not say which. */
  readonly kind: 'hard' | 'soft' | 'unsaid'
  readonly codes: readonly (Code | MeasuredCode)[]
  /** Where there is no code: why none is needed. Convoke does it by itself, or has no such thing. */
  readonly note?: string
}

export type AdobePage = {
  /** As in `source` of the rules' pages. */
  readonly title: string
  /** Its documentation at Experience League, and its path there. */
  readonly path: string
  readonly guardrails: readonly AdobeGuardrail[]
}

const isDone = (note: string) => ({ codes: [], note }) as const

export const adobePages: readonly AdobePage[] = [
  {
    title: 'Real-Time CDP with Adobe Campaign v8 integration pattern',
    path: 'blueprints-learn: real-time CDP with Campaign v8',
    guardrails: [
      {
        guardrail: 'Experience Cloud organization',
        limit: 'a valid one',
        kind: 'hard',
        codes: ['missing-organization', 'invalid-ims-org'],
      },
      {
        guardrail: 'Platform and Campaign in one organization',
        limit: 'recommended',
        kind: 'soft',
        codes: ['different-organizations'],
      },
      { guardrail: 'Version of Campaign', limit: 'v8', kind: 'hard', codes: ['unsupported-campaign-version'] },
      {
        guardrail: 'Entitlements',
        limit: 'Real-Time CDP, Sources, Destinations',
        kind: 'hard',
        codes: ['missing-entitlement'],
      },
      { guardrail: 'Product context of Campaign', limit: 'exists', kind: 'hard', codes: ['missing-product-context'] },
      {
        guardrail: 'Organizational units of Campaign',
        limit: '1',
        kind: 'hard',
        codes: ['multiple-organizational-units'],
      },
      {
        guardrail: 'New profiles from audiences',
        limit: 'none: Campaign is the source of truth',
        kind: 'hard',
        codes: ['creates-profiles'],
      },
      {
        guardrail: 'Segments shared with Campaign',
        limit: '50 (recommendation)',
        kind: 'soft',
        codes: ['too-many-segments'],
        note: 'An error unless `enforcement.segments: Warn`.',
      },
      {
        guardrail: 'Latency of membership',
        limit: 'batch once a day, streaming about 5 minutes',
        kind: 'hard',
        codes: [
          'batch-evaluated-too-often',
          'streaming-too-frequent',
          'stream-on-batch-segment',
          'stream-without-source',
        ],
      },
      {
        guardrail: 'Latency of activation',
        limit: 'at least 3 hours',
        kind: 'hard',
        codes: ['activation-too-frequent'],
      },
      {
        guardrail: 'Attributes',
        limit: 'of the union schema; no arrays, maps, events',
        kind: 'hard',
        codes: ['array-attribute', 'map-attribute', 'object-attribute', 'event-attribute'],
      },
      {
        guardrail: 'Attributes of a Segment',
        limit: '20 (recommendation)',
        kind: 'soft',
        codes: ['too-many-attributes'],
        note: 'An error unless `enforcement.attributes: Warn`.',
      },
      {
        guardrail: 'Files',
        limit: 'one for each Segment; realized, and exited where the status is an attribute',
        kind: 'hard',
        codes: [
          'file-name-collision',
          'exits-without-membership-status',
          'exits-in-full-export',
          'incremental-without-membership-status',
        ],
      },
      { guardrail: 'Encryption of files', limit: 'not supported', kind: 'hard', codes: ['encrypted-file'] },
    ],
  },
  {
    title: 'Adobe Campaign Managed Cloud Services connection',
    path: 'experience-platform: destinations/catalog/email-marketing/adobe-campaign-managed-services',
    guardrails: [
      {
        guardrail: 'Version of Campaign',
        limit: '8.4 or newer',
        kind: 'hard',
        codes: ['unsupported-campaign-version'],
      },
      {
        guardrail: 'Audiences of one Campaign instance, over all destinations',
        limit: '25, by the option NmsCdp_Aep_Audience_List_Limit',
        kind: 'hard',
        codes: ['many-segments', 'too-many-segments'],
      },
      {
        guardrail: 'Fields of an audience',
        limit: '20, by the option NmsCdp_Aep_Destinations_Max_Columns',
        kind: 'hard',
        codes: ['too-many-attributes'],
      },
      { guardrail: 'Retention of the Data Landing Zone', limit: '7 days', kind: 'hard', codes: ['retention-exceeded'] },
      {
        guardrail: 'Frequency of activation',
        limit: '3 hours at least',
        kind: 'hard',
        codes: ['activation-too-frequent'],
      },
      {
        guardrail: 'Export frequency',
        limit: '3, 6, 8, 12 or 24 hours',
        kind: 'hard',
        codes: ['unsupported-activation-frequency'],
      },
      { guardrail: 'Length of a file name', limit: '255 characters', kind: 'hard', codes: ['file-name-too-long'] },
      {
        guardrail: 'Special characters in names of audiences',
        limit: 'none, such as &',
        kind: 'hard',
        codes: ['unsupported-audience-name'],
      },
      {
        guardrail: 'Origin of audiences',
        limit: 'Segmentation Service',
        kind: 'hard',
        ...isDone('Every Segment is one; `convert` refuses audiences of other origins.'),
      },
      {
        guardrail: 'Kinds of audiences',
        limit: 'people',
        kind: 'hard',
        ...isDone('Segments hold people; `convert` refuses audiences of accounts and prospects.'),
      },
      { guardrail: 'Profile sync', limit: 'updates only', kind: 'hard', codes: ['creates-profiles'] },
      {
        guardrail: 'Mapping of the membership status',
        limit: 'required',
        kind: 'hard',
        codes: ['exits-without-membership-status', 'incremental-without-membership-status'],
      },
      {
        guardrail: 'Identifier in the mapping',
        limit: 'one that is unique on both sides',
        kind: 'hard',
        codes: ['missing-reconciliation-key', 'missing-deduplication-key'],
      },
      {
        guardrail: 'Deduplication key and mandatory attributes',
        limit: 'never null; the key names a column of the target mapping',
        kind: 'hard',
        codes: ['optional-deduplication-key', 'unknown-target-column', 'target-type-mismatch'],
      },
    ],
  },
  {
    title: 'Campaign Managed Cloud Services source connector',
    path: 'experience-platform: sources/tutorials/ui/create/adobe-applications/campaign',
    guardrails: [
      {
        guardrail: 'Mapped fields',
        limit: '20, by the option NmsCdp_Aep_Sources_Max_Columns',
        kind: 'hard',
        codes: ['too-many-source-fields'],
      },
      {
        guardrail: 'Backfill of old logs',
        limit: 'none',
        kind: 'hard',
        ...isDone('A CampaignSource reads all that the log tables still hold; Campaign empties them after a time.'),
      },
      {
        guardrail: 'Primary identity',
        limit: 'mapped',
        kind: 'hard',
        ...isDone('`identity` of a CampaignSource is required.'),
      },
    ],
  },
  {
    title: 'Default guardrails for activation data',
    path: 'experience-platform: destinations/guardrails',
    guardrails: [
      {
        guardrail: 'Audiences to a single destination',
        limit: '250',
        kind: 'soft',
        codes: ['many-segments-of-activation'],
      },
      { guardrail: 'Attributes mapped to a destination', limit: '50', kind: 'soft', codes: ['many-attributes'] },
      { guardrail: 'Destinations of a sandbox', limit: '100', kind: 'hard', codes: ['too-many-destinations'] },
      {
        guardrail: 'Data of a destination',
        limit: 'record attributes and identities; no events',
        kind: 'hard',
        codes: ['event-attribute'],
      },
      {
        guardrail: 'Arrays and maps',
        limit: 'not available',
        kind: 'hard',
        codes: ['array-attribute', 'map-attribute', 'object-attribute'],
      },
      {
        guardrail: 'Activation frequency',
        limit: 'one full export a day, or increments every 3, 6, 8, 12 hours',
        kind: 'hard',
        codes: ['full-export-too-frequent', 'unsupported-activation-frequency'],
      },
      { guardrail: 'Audiences exported at a given hour', limit: '100', kind: 'soft', codes: ['many-hourly-exports'] },
      {
        guardrail: 'Rows of a file',
        limit: '5 million',
        kind: 'hard',
        codes: ['too-many-rows-per-file'],
        note: 'Longer audiences are split.',
      },
      { guardrail: 'Audiences of an ad-hoc activation', limit: '80', kind: 'hard', codes: ['ad-hoc-segments'] },
      {
        guardrail: 'Ad-hoc activations of an audience at once',
        limit: '1',
        kind: 'hard',
        ...isDone('Runs of one Activation that write the same never run at once.'),
      },
      {
        guardrail: 'Streaming, edge and custom destinations, dataset exports',
        limit: 'various',
        kind: 'soft',
        ...isDone('Convoke delivers files of audiences.'),
      },
    ],
  },
  {
    title: 'Activate audiences to batch profile export destinations',
    path: 'experience-platform: destinations/ui/activate-batch-profile-destinations',
    guardrails: [
      {
        guardrail: 'Scheduled exports',
        limit: 'after the daily evaluation, or the profiles are stale',
        kind: 'soft',
        codes: ['export-before-evaluation'],
      },
      {
        guardrail: 'Name and schedule',
        limit: 'one file name and schedule for each audience',
        kind: 'hard',
        codes: ['file-name-collision', 'segment-activated-twice'],
      },
      {
        guardrail: 'Mandatory attributes',
        limit: 'profiles without a value are left out',
        kind: 'hard',
        ...isDone('They are counted in each Run (`missingMandatory`).'),
      },
    ],
  },
  {
    title: 'Default guardrails for Real-Time Customer Profile data and segmentation',
    path: 'experience-platform: profile/guardrails',
    guardrails: [
      {
        guardrail: 'Datasets of the Individual Profile class',
        limit: '20',
        kind: 'soft',
        codes: ['too-many-datasets'],
      },
      { guardrail: 'Datasets of the ExperienceEvent class', limit: '20', kind: 'soft', codes: ['too-many-datasets'] },
      {
        guardrail: 'Report-suite datasets of Adobe Analytics',
        limit: '1',
        kind: 'soft',
        ...isDone('There is no source for Adobe Analytics.'),
      },
      {
        guardrail: 'Multi-entity relationships',
        limit: '5, of depth 4, not nested; 5 GB, 5 datasets and 4 batches a day for dimensions',
        kind: 'soft',
        ...isDone('A store holds people and their events; there are no other entities.'),
      },
      {
        guardrail: 'Time series of other entities',
        limit: 'none',
        kind: 'hard',
        ...isDone('There are no other entities.'),
      },
      { guardrail: 'Items of an array in a profile fragment', limit: '500', kind: 'soft', codes: ['long-arrays'] },
      { guardrail: 'Items of an array in an event', limit: '10', kind: 'soft', codes: ['long-arrays'] },
      { guardrail: 'Identities of a profile', limit: '50', kind: 'hard', codes: ['too-many-identities'] },
      { guardrail: 'JSON depth of the primary identity', limit: '4', kind: 'soft', codes: ['deep-identity'] },
      { guardrail: 'Size of an event', limit: '10 KB', kind: 'hard', codes: ['oversize-records'] },
      { guardrail: 'Size of a profile record', limit: '100 KB', kind: 'hard', codes: ['oversize-records'] },
      {
        guardrail: 'Size of a profile fragment, and of a stored profile',
        limit: '50 MB',
        kind: 'hard',
        ...isDone('With 5,000 events of 10 KB each nobody gets beyond it: too-many-events comes first.'),
      },
      {
        guardrail: 'Batches ingested in a day',
        limit: '90',
        kind: 'soft',
        codes: ['many-batches', 'many-ingested-batches'],
      },
      { guardrail: 'Events of a profile', limit: '5,000', kind: 'soft', codes: ['too-many-events'] },
      { guardrail: 'Audiences of a sandbox', limit: '4,000', kind: 'soft', codes: ['too-many-audiences'] },
      { guardrail: 'Batch audiences of a sandbox', limit: '4,000', kind: 'soft', codes: ['too-many-batch-segments'] },
      {
        guardrail: 'Streaming audiences of a sandbox',
        limit: '500',
        kind: 'soft',
        codes: ['too-many-streaming-segments'],
      },
      {
        guardrail: 'Edge audiences of a sandbox',
        limit: '150',
        kind: 'soft',
        ...isDone('There is no edge; `convert` says where one is lost.'),
      },
      { guardrail: 'Account audiences of a sandbox', limit: '50', kind: 'hard', ...isDone('Segments hold people.') },
      {
        guardrail: 'Merge policies of an organization',
        limit: '5; newer pages say 3',
        kind: 'unsaid',
        codes: ['too-many-merge-policies'],
        note: 'Set by `limits.mergePolicies` of the Organization.',
      },
    ],
  },
  {
    title: 'Segmentation Service, audience validation',
    path: 'experience-platform: segmentation/validation',
    guardrails: [
      {
        guardrail: 'Logical complexity',
        limit: 'not too many queries',
        kind: 'hard',
        codes: ['expression-too-large'],
        note: 'The page has no number; the limit is that of the engines.',
      },
      { guardrail: 'Sequential events', limit: '3', kind: 'hard', codes: ['too-many-sequential-events'] },
      { guardrail: 'Aggregations', limit: '3', kind: 'soft', codes: ['many-aggregations'] },
      { guardrail: 'Nested data', limit: '2 levels', kind: 'soft', codes: ['deeply-nested-data'] },
      { guardrail: 'Size of an audience', limit: '30 % of all profiles', kind: 'soft', codes: ['large-audience'] },
    ],
  },
  {
    title: 'Segmentation Service, streaming segmentation',
    path: 'experience-platform: segmentation/methods/streaming-segmentation',
    guardrails: [
      {
        guardrail: 'Eligibility for streaming',
        limit: 'the rulesets of 20 May 2025',
        kind: 'hard',
        codes: ['not-streamable'],
      },
      {
        guardrail: 'Schedule of the evaluation',
        limit: 'once a day at most',
        kind: 'hard',
        codes: ['batch-evaluated-too-often'],
      },
    ],
  },
  {
    title: 'TTL health checks',
    path: 'experience-platform: run-and-operate/health-checks/ttl',
    guardrails: [
      {
        guardrail: 'Look-back windows',
        limit: 'one in each audience of events',
        kind: 'soft',
        codes: ['unbounded-look-back'],
      },
    ],
  },
  {
    title: 'Guardrails for data ingestion',
    path: 'experience-platform: ingestion/guardrails',
    guardrails: [
      {
        guardrail: 'Files of a batch',
        limit: '10,000 recommended, 25,000 at most',
        kind: 'hard',
        codes: ['many-files'],
      },
      { guardrail: 'Size of a batch', limit: '100 GB recommended, 1 TB at most', kind: 'hard', codes: ['large-batch'] },
      {
        guardrail: 'Smallest file',
        limit: '1 byte',
        kind: 'hard',
        ...isDone('An empty file brings nothing, and is named in the report (`passedOver`).'),
      },
      {
        guardrail: 'Fields of a row',
        limit: '10,000',
        kind: 'hard',
        ...isDone('Only mapped columns are taken in, and a mapping has at most 5,000 rows.'),
      },
      {
        guardrail: 'Size of a record',
        limit: '100 KB for profiles, 10 KB for events',
        kind: 'hard',
        codes: ['oversize-records'],
      },
      {
        guardrail: 'Batches of a sandbox in a day',
        limit: '90',
        kind: 'soft',
        codes: ['many-batches', 'many-ingested-batches'],
      },
      { guardrail: 'Records of a batch that updates', limit: '2 million', kind: 'soft', codes: ['large-upsert'] },
      { guardrail: 'Encrypted files', limit: '1 GB', kind: 'hard', ...isDone('Encrypted files are not taken in.') },
      {
        guardrail: 'Rates of APIs and streaming sources',
        limit: '20 to 200 GB an hour, 1,500 requests a second, 1 MB a record',
        kind: 'soft',
        ...isDone("They are rates of Adobe's services."),
      },
    ],
  },
  {
    title: 'Guardrails for Identity Service',
    path: 'experience-platform: identity-service/guardrails',
    guardrails: [
      {
        guardrail: 'Identities of a graph',
        limit: '50 (older text: 150)',
        kind: 'hard',
        codes: ['too-many-identities'],
      },
      {
        guardrail: 'Links of an identity',
        limit: '100',
        kind: 'hard',
        codes: ['placeholder-identities'],
        note: 'Told from 1,000 links on.',
      },
      { guardrail: 'Identities of a record', limit: '20', kind: 'hard', codes: ['too-many-record-identities'] },
      {
        guardrail: 'Failed records of a batch',
        limit: '10 %',
        kind: 'hard',
        ...isDone('`tolerance.badRows` of a Dataset (1 %) is tighter.'),
      },
    ],
  },
]

/** The text of docs/adobe-guardrails.md. */
export function adobeGuardrailsManual(): string {
  const all = adobePages.flatMap(({ guardrails }) => guardrails)
  const coded = all.filter(({ codes }) => codes.length > 0)
  const pages = adobePages.map(({ title, path, guardrails }) => {
    const rows = guardrails.map(({ guardrail, limit, kind, codes, note = '' }) => {
      const links = codes.map((code) => `[${code}](guardrails.md#${code})`).join(', ')
      return `| ${guardrail} | ${limit} | ${kind} | ${[links, note].filter(Boolean).join('. ')} |`
    })
    return `## ${title}\n\n\`${path}\`\n\n| guardrail | limit | kind | in Convoke |\n|---|---|---|---|\n${rows.join('\n')}`
  })
  return `${opening}\n\n${all.length} guardrails on ${adobePages.length} pages; ${coded.length} have a code, ${all.length - coded.length} need none.\n\n${pages.join('\n\n')}\n`
}

const opening = `<!-- Generated from compiler/adobe-guardrails.ts by \`npm run generate\`. Do not edit. -->
# Adobe's guardrails

Every guardrail on the pages of Adobe's documentation that the pattern rests on, and by which code Convoke says it. Each code has a page
with an example in [guardrails.md](guardrails.md), or by \`convoke explain CODE\`. Hard limits are enforced by the platform and are errors here;
soft ones are recommendations and are warnings, which \`convoke.dev/allow\` silences with a reason. What only data can tell is said by \`plan\`
and by Runs.`
