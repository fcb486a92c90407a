import { isRecord } from '#crds'
import type { Code } from '../codes.ts'

/** A part of a definition that is lost in the Segment made from it; an error where no Segment can be made. */
export type Loss = {
  readonly path: readonly string[]
  readonly code: Code
  readonly severity: 'error' | 'warning'
  readonly message: string
  readonly help: string
}

/** `name` is the audience's. */
type Lost = (value: unknown, name: string) => Omit<Loss, 'path'> | null

/**
 * What happens to a documented field. `converted`: the Segment says it. `record`: a fact that the platform writes about the record (who
 * made it, when, where), on which membership does not depend. `fields`: it has fields of its own. A function: what it returns is reported,
 * null for values that do not matter.
 */
type Fate = 'converted' | 'record' | { readonly fields: Readonly<Record<string, Fate>> } | Lost

const warning = (message: string, help: string): Omit<Loss, 'path'> => ({
  code: 'pql-unsupported',
  severity: 'warning',
  message,
  help,
})
const refusal = (message: string, help: string): Omit<Loss, 'path'> => ({
  code: 'pql-unsupported',
  severity: 'error',
  message,
  help,
})

/** A union schema of people: `_xdm.context.profile`, `https://ns.adobe.com/xdm/context/profile__union`. */
const ofPeople = /(^|[./])context[./]profile(__union)?$/

const entity: Lost = (value, name) =>
  typeof value === 'string' && ofPeople.test(value)
    ? null
    : refusal(
        `\`${name}\` is an audience of \`${String(value)}\`, not of people`,
        'Segments hold people, `_xdm.context.profile`; audiences of accounts, prospects and other entities stay at Adobe.',
      )

const definedOn: Lost = (value, name) => {
  const refs = Array.isArray(value) ? value.map((each) => (isRecord(each) ? each['$ref'] : each)) : [value]
  const other = refs.find((ref) => entity(ref, name) !== null)
  return other === undefined ? null : entity(other, name)
}

const external = (what: string): Omit<Loss, 'path'> =>
  refusal(
    what,
    'Its people come from elsewhere, not by an expression: bring them in as a Dataset, and ask for the field that says it.',
  )

const onlyWhere =
  (isFine: (value: unknown) => boolean, loss: (value: string, name: string) => Omit<Loss, 'path'>): Lost =>
  (value, name) =>
    isFine(value) ? null : loss(typeof value === 'string' ? value : JSON.stringify(value), name)

const isEmpty = (value: unknown): boolean =>
  value === null ||
  value === undefined ||
  value === '' ||
  (Array.isArray(value) && value.length === 0) ||
  (isRecord(value) && Object.keys(value).length === 0)

const enabled: Fate = { fields: { enabled: 'converted' } }

/**
 * Every field of a segment definition and of an audience that the pages of the Segmentation Service API document (segment-definitions,
 * audiences), and what happens to it. A field without a value is ignored.
 */
export const definitionFields: Readonly<Record<string, Fate>> = {
  id: 'converted',
  name: 'converted',
  description: 'converted',
  convoke: { fields: { name: 'converted' } },
  expression: { fields: { type: 'converted', format: 'converted', value: 'converted', meta: 'record' } },
  evaluationInfo: { fields: { batch: enabled, continuous: enabled, synchronous: enabled } },
  schema: { fields: { name: entity, id: entity } },
  definedOn,
  type: onlyWhere(
    (value) => value === 'SegmentDefinition',
    (_, name) => external(`\`${name}\` is an external audience`),
  ),
  originName: onlyWhere(
    (value) => value === 'REAL_TIME_CUSTOMER_PROFILE',
    (origin, name) => external(`\`${name}\` comes from \`${origin}\``),
  ),
  namespace: onlyWhere(
    (value) => value === 'AEPSegments',
    (namespace, name) => external(`\`${name}\` is of the namespace \`${namespace}\``),
  ),
  datasetId: (_, name) => external(`\`${name}\` is filled from a dataset`),
  linkedAudienceRef: (_, name) => external(`\`${name}\` is filled by another system`),
  lifecycleState: onlyWhere(
    (value) => value === 'published' || value === 'active',
    (state, name) =>
      state === 'deleted'
        ? refusal(`\`${name}\` is deleted at Adobe`, 'Leave it out of the file.')
        : warning(
            `\`${name}\` is ${state} at Adobe (\`lifecycleState\`); the Segment is evaluated`,
            'Remove the Segment where nobody is to be in it.',
          ),
  ),
  dataGovernancePolicy: {
    fields: {
      excludeOptOut: onlyWhere(
        (value) => value === false,
        (_, name) =>
          warning(
            `\`${name}\` leaves out who has opted out (\`excludeOptOut\`); the ProfileStore does, where it has \`spec.consent\``,
            'Say there which values are out, once for all its Segments, for example `general: {path: consents.share.val, out: ["n"]}`.',
          ),
      ),
    },
  },
  mergePolicyId: onlyWhere(
    () => false,
    (policy, name) =>
      warning(
        `\`${name}\` has a merge policy of its own (\`mergePolicyId\`, ${policy}); the Segment has its store's, and keeps the id in an annotation`,
        'Compare it with `spec.mergePolicy` of the ProfileStore; for another policy name another store with `--store`.',
      ),
  ),
  labels: onlyWhere(
    () => false,
    (labels, name) =>
      warning(
        `\`${name}\` has the data usage labels ${labels}, which no Segment has; it keeps them in an annotation`,
        'See to it that what they forbid is not activated.',
      ),
  ),
  ttlInDays: onlyWhere(
    () => false,
    (days, name) =>
      warning(
        `The data of \`${name}\` expire after ${days} days (\`ttlInDays\`); a Segment has no end`,
        'Remove the Segment when its time is over.',
      ),
  ),
  audienceMeta: onlyWhere(
    () => false,
    (_, name) => warning(`\`${name}\` has metadata (\`audienceMeta\`), which no Segment has`, 'Keep them elsewhere.'),
  ),
  // Facts about the record.
  audienceId: 'record',
  profileInstanceId: 'record',
  imsOrgId: 'record',
  sandbox: 'record',
  payloadSchema: 'record',
  isSystem: 'record',
  creationTime: 'record',
  createEpoch: 'record',
  createdBy: 'record',
  updateTime: 'record',
  updateEpoch: 'record',
  baselineTime: 'record',
  _etag: 'record',
  overridePerformanceWarnings: 'record',
  // These follow from the expressions.
  dependents: 'record',
  dependencies: 'record',
}

/** Everything that a definition loses, in the order written; of several reasons to refuse it, one. */
export function lossesOf(definition: Readonly<Record<string, unknown>>): readonly Loss[] {
  const name = String(definition['name'] ?? definition['id'] ?? '')
  const losses = lostIn(definition, definitionFields, [], name)
  const refused = losses.find(({ severity }) => severity === 'error')
  return refused ? [refused] : losses
}

function lostIn(
  record: Readonly<Record<string, unknown>>,
  fields: Readonly<Record<string, Fate>>,
  above: readonly string[],
  name: string,
): Loss[] {
  return Object.entries(record).flatMap(([key, value]): Loss[] => {
    const path = [...above, key]
    if (isEmpty(value)) return []
    const fate = Object.hasOwn(fields, key) ? fields[key]! : null
    if (fate === 'converted' || fate === 'record') return []
    if (fate === null)
      return [
        {
          path,
          code: 'unknown-field',
          severity: 'warning',
          message: `\`${name}\` has the field \`${path.join('.')}\`, which is not known and not converted`,
          help: 'See whether it says who is in the audience.',
        },
      ]
    if (typeof fate === 'object') return isRecord(value) ? lostIn(value, fate.fields, path, name) : []
    const lost = fate(value, name)
    return lost ? [{ path, ...lost }] : []
  })
}
