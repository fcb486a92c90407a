import { compile, type Source } from '#compiler'

const store = `apiVersion: convoke.dev/v1alpha1
kind: Organization
metadata: {name: acme}
spec: {imsOrgId: 9A1B2C3D4E5F60718293A4B5@AdobeOrg, entitlements: [RealTimeCDP, Sources, Destinations], productContexts: [Campaign]}
---
apiVersion: convoke.dev/v1alpha1
kind: ProfileStore
metadata: {name: retail}
spec:
  organizationRef: {name: acme}
  schema:
    profile:
      type: object
      properties:
        customerId: {type: string}
        homeAddress: {type: object, properties: {countryCode: {type: string}, city: {type: string}}}
        loyalty: {type: object, properties: {tier: {type: string, enum: [bronze, silver, gold]}, points: {type: integer}}}
    event:
      type: object
      properties:
        timestamp: {type: string, format: date-time}
        eventType: {type: string}
        commerce: {type: object, properties: {order: {type: object, properties: {priceTotal: {type: number}}}}}
  identities: [{namespace: CustomerId, path: customerId, primary: true}]
  storage: {volume: {claimName: profile-store}}
`

/** Segments as people write them: attributes, windows, aggregates, references, sequences; each with its own numbers. */
export function segmentSources(count: number): Source[] {
  const expressions = [
    (n: number) => `loyalty.tier = "gold" and loyalty.points >= ${n}`,
    (n: number) =>
      `homeAddress.countryCode in ["DE", "AT", "CH"]\n    and xEvent[eventType = "purchase"].count() >= ${1 + (n % 9)}`,
    (n: number) =>
      `exists E from xEvent where E.eventType = "purchase" and E.timestamp occurs <= ${1 + (n % 365)} days before now`,
    (n: number) =>
      `xEvent[eventType = "purchase" and timestamp occurs <= ${1 + (n % 90)} days before now].sum(commerce.order.priceTotal) > ${n}.5`,
    (n: number) =>
      `CHAIN(xEvent, timestamp, [A: WHAT(eventType = "view"), B: WHAT(eventType = "purchase") WHEN(<= ${1 + (n % 30)} days before now)])`,
    (n: number) => `inSegment("segment-${n - 1}") and not (homeAddress.city.contains("x", false))`,
  ]
  const segments = Array.from(
    { length: count },
    (_, index): Source => ({
      file: `segments/segment-${String(index).padStart(6, '0')}.yaml`,
      text: `apiVersion: convoke.dev/v1alpha1
kind: Segment
metadata:
  name: segment-${index}
  labels:
    team: crm
    wave: "${index % 7}"
  annotations:
    owner: marketing
spec:
  profileStoreRef:
    name: retail
  displayName: Segment number ${index}
  description: One of many, made to be measured.
  evaluation: Batch
  deletionPolicy: Retain
  expression: |
    ${expressions[index % expressions.length]!(index)}
`,
    }),
  )
  return [{ file: 'store.yaml', text: store }, ...segments]
}

/** `bench compile [N]`: N Segments (1,000) from text to plans, in a warm process; and twice as many, for growth. */
export function run(args: readonly string[]): object {
  const count = Number(args[0] ?? 1000)
  const measure = (size: number) => {
    const sources = segmentSources(size)
    const before = process.cpuUsage()
    const started = performance.now()
    const { diagnostics, plans } = compile(sources)
    const seconds = (performance.now() - started) / 1000
    const cpu = process.cpuUsage(before)
    const errors = diagnostics.filter((diagnostic) => diagnostic.severity === 'error').length
    return { segments: size, seconds, cpuSeconds: (cpu.user + cpu.system) / 1e6, errors, plans: plans.length }
  }
  const cold = measure(count)
  const warm = measure(count)
  const double = measure(count * 2)
  return { cold, warm, double, growth: double.seconds / warm.seconds, maxRssMiB: process.resourceUsage().maxRSS / 1024 }
}
