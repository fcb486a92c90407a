import { parseQuantity, parseQuantityBytes, type SpecOf } from '#crds'
import type { Path, Resource } from '../resource.ts'
import { alternatives, nearest } from '../suggest.ts'
import type { Rule, RuleContext } from './rule.ts'

type PodTemplate = NonNullable<SpecOf<'Destination'>['podTemplate']>

export const invalidPodTemplate: Rule = {
  severity: 'error',
  page: {
    title: 'No Pod can be made by this template',
    checks:
      "Names, labels, annotations, tolerations and quantities of a `podTemplate` as the API server checks them in a Job; requests against limits; and DuckDB's memory limit against that of the container it runs in. A warning where less than 256 MiB are left beside DuckDB.",
    why: 'The API server would refuse every Job of the resource, or its Pods would be killed for their memory.',
    source: 'Kubernetes',
    bad: `
kind: ProfileStore
metadata: { name: readers }
spec:
  podTemplate: { labels: { team: club mail } }
`,
    good: `
kind: ProfileStore
metadata: { name: readers }
spec:
  podTemplate: { labels: { team: club-mail } }
`,
  },
  check: {
    ProfileStore(store, { report }) {
      checkTemplate(store, report)
      checkMemory(store, store, store.spec.engine.duckDB.memoryLimit, report)
    },
    CampaignInstance: (instance, { report }) => checkTemplate(instance, report),
    Destination(destination, { model, report }) {
      checkTemplate(destination, report)
      const stores = new Map(
        model.relations
          .activationsOfDestination(destination)
          .flatMap(({ store }) => (store ? [[store.resource.name, store.resource]] : [])),
      )
      for (const store of stores.values()) checkMemory(destination, store, store.spec.engine.duckDB.memoryLimit, report)
    },
  },
}

type Owner = Resource<'ProfileStore'> | Resource<'CampaignInstance'> | Resource<'Destination'>
type Say = RuleContext['report']

const root = ['spec', 'podTemplate'] as const
const namePart = /^(?:[A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]$/
const subdomain = /^[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*$/
const labelText = /^(?:(?:[A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$/
const longestAnnotations = 262_144
/** Resources of a container that need no domain; others have one, such as `nvidia.com/gpu`. */
const plainResources = ['cpu', 'memory', 'ephemeral-storage'] as const
const besideDuckDb = 256 * 2 ** 20

function checkTemplate({ spec }: Owner, report: Say): void {
  const template: PodTemplate = spec.podTemplate ?? {}
  const say = (path: Path, message: string, help: string, on: 'key' | 'value' = 'value'): void =>
    report({ path: [...root, ...path], on, message, help })

  for (const field of ['labels', 'nodeSelector'] as const)
    for (const [key, value] of Object.entries(template[field] ?? {})) {
      checkKey([field, key], key, say)
      if (!isLabelText(value)) say([field, key], `\`${short(value)}\` is no value of a label`, labelHelp)
    }
  const annotations = Object.entries(template.annotations ?? {})
  for (const [key] of annotations) checkKey(['annotations', key], key, say)
  const length = annotations.reduce((sum, [key, value]) => sum + key.length + value.length, 0)
  if (length > longestAnnotations)
    say(
      ['annotations'],
      `The annotations come to ${length} characters; a Pod takes ${longestAnnotations}`,
      'Shorten them.',
      'key',
    )

  const { serviceAccountName } = template
  if (serviceAccountName !== undefined && (serviceAccountName.length > 253 || !subdomain.test(serviceAccountName)))
    say(
      ['serviceAccountName'],
      `\`${short(serviceAccountName)}\` is no name of a ServiceAccount`,
      'Names have lower-case letters, digits, hyphens and dots.',
    )

  for (const [index, { key = '', operator = 'Equal', value = '', effect, tolerationSeconds }] of (
    template.tolerations ?? []
  ).entries()) {
    const at = ['tolerations', index]
    if (key !== '') checkKey([...at, 'key'], key, say, 'value')
    else if (operator !== 'Exists')
      say(
        value === '' ? at : [...at, 'value'],
        'A toleration without a key tolerates every taint only with `operator: Exists`',
        'Name the taint, or write `operator: Exists`.',
        'key',
      )
    if (operator === 'Exists' && value !== '')
      say([...at, 'value'], '`operator: Exists` takes no value', 'Remove the value, or write `operator: Equal`.')
    else if (!isLabelText(value)) say([...at, 'value'], `\`${short(value)}\` is no value of a taint`, labelHelp)
    if (tolerationSeconds !== undefined && effect !== 'NoExecute')
      say(
        [...at, 'tolerationSeconds'],
        '`tolerationSeconds` needs `effect: NoExecute`',
        'Add the effect, or remove the field.',
      )
  }
  checkResources(template.resources ?? {}, say)
}

type SayAt = (path: Path, message: string, help: string, on?: 'key' | 'value') => void

const labelHelp = 'Write at most 63 letters, digits, hyphens, underscores and dots, a letter or digit at both ends.'

function checkResources({ requests = {}, limits = {} }: NonNullable<PodTemplate['resources']>, say: SayAt): void {
  for (const [field, amounts] of [
    ['requests', requests],
    ['limits', limits],
  ] as const)
    for (const [name, amount] of Object.entries(amounts)) {
      const at = ['resources', field, name]
      const near = nearest(name, plainResources)
      const isPlain = plainResources.some((plain) => plain === name) || name.startsWith('hugepages-')
      if (!isPlain && !name.includes('/'))
        say(
          at,
          `\`${short(name)}\` is no resource of a container`,
          near.length > 0
            ? `Did you mean ${alternatives(near)}?`
            : `Name ${alternatives(plainResources)}, or one of a device with its domain, such as \`nvidia.com/gpu\`.`,
          'key',
        )
      else if (!isPlain) checkKey(at, name, say)
      const quantity = parseQuantity(String(amount))
      if (quantity === null)
        say(at, `\`${short(String(amount))}\` is no quantity`, 'Write one such as 500m, 1.5 or 2Gi.')
      else if (quantity < 0) say(at, `\`${String(amount)}\` is less than nothing`, 'Write a quantity from 0 on.')
      else if (!isPlain && name.includes('/') && !Number.isInteger(quantity))
        say(at, `Of \`${short(name)}\` there are whole ones only`, 'Write a whole number.')
    }
  for (const [name, amount] of Object.entries(requests)) {
    const [requested, limit] = [
      parseQuantity(String(amount)),
      limits[name] === undefined ? null : parseQuantity(String(limits[name])),
    ]
    const at = ['resources', 'requests', name]
    if (requested === null) continue
    const isWhole = name.includes('/') || name.startsWith('hugepages-')
    if (limit !== null && requested > limit)
      say(
        at,
        `\`${String(amount)}\` is requested of ${name}, and the limit is \`${String(limits[name])}\``,
        'Request less, or raise the limit.',
      )
    else if (isWhole && limit !== requested)
      say(at, `Of \`${short(name)}\` request and limit are the same`, 'Write the same number in both.')
  }
}

/** Checks that DuckDB and the rest of the process fit into the memory of the container in the resource's Pods. */
function checkMemory(owner: Owner, store: Resource<'ProfileStore'>, memoryLimit: string, report: Say): void {
  const written = owner.spec.podTemplate?.resources?.limits?.['memory']
  const [limit, duckDb] = [
    written === undefined ? null : parseQuantityBytes(String(written)),
    parseQuantityBytes(memoryLimit),
  ]
  if (limit === null || duckDb === null || limit >= duckDb + besideDuckDb) return
  const isOver = duckDb > limit
  const isOwn = owner === store
  report({
    path: [...root, 'resources', 'limits', 'memory'],
    ...(isOver ? {} : { severity: 'warning' as const }),
    message: `DuckDB may take \`${memoryLimit}\`${isOwn ? '' : ` by ProfileStore \`${store.name}\``}, and its container has \`${String(written)}\``,
    help: 'Raise the limit to 256Mi more than `engine.duckDB.memoryLimit`, or lower that.',
    related: isOwn
      ? []
      : [
          {
            resource: store as unknown as Resource,
            path: ['spec', 'engine', 'duckDB', 'memoryLimit'],
            message: 'what DuckDB may take',
          },
        ],
  })
}

/** Checks a key: `name` or `domain/name`. */
function checkKey(path: Path, key: string, say: SayAt, on: 'key' | 'value' = 'key'): void {
  const [name = '', domain, ...more] = key.split('/').reverse()
  const isName = name.length <= 63 && namePart.test(name)
  const isDomain = domain === undefined || (domain.length <= 253 && subdomain.test(domain))
  if (isName && isDomain && more.length === 0) return
  say(
    path,
    `\`${short(key)}\` is no key of a label or annotation`,
    'Write a name of at most 63 letters, digits, hyphens, underscores and dots, or one behind a domain, as in `example.com/team`.',
    on,
  )
}

function isLabelText(text: string): boolean {
  return text.length <= 63 && labelText.test(text)
}

function short(text: string): string {
  return text.length > 40 ? `${text.slice(0, 39)}…` : text
}
