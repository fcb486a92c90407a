/** A SegmentTest with a schema and people of its own. */
export const suite = (cases: string): string => `apiVersion: convoke.dev/v1alpha1
kind: SegmentTest
metadata: {name: shop}
spec:
  schema:
    profile:
      type: object
      properties:
        name: {type: string}
        born: {type: string, format: date}
        tags: {type: array, items: {type: string}}
        scores: {type: object, additionalProperties: {type: number}}
        address: {type: object, properties: {city: {type: string}}}
        orders: {type: array, items: {type: object, properties: {sku: {type: string}, price: {type: number}}}}
    event: {type: object, properties: {eventType: {type: string}, price: {type: number}, items: {type: array, items: {type: string}}}}
  at: "2026-01-15T10:30:00Z"
  profiles:
    - id: ann
      attributes:
        name: Ann's "place"
        born: "1990-01-15"
        tags: [a, null, b]
        scores: {x: 1.5, z: -2}
        address: {city: Århus}
        orders: [{sku: s1, price: 10}, {sku: s2}]
      events:
        - {timestamp: "2026-01-10T00:00:00Z", eventType: purchase, price: 10, items: [x]}
        - {timestamp: "2026-01-20T00:00:00Z", eventType: return}
    - {id: bob, attributes: {name: null, tags: []}}
    - {id: "O'Hara"}
  cases:
${cases
  .trim()
  .split('\n')
  .map((line) => `    ${line}\n`)
  .join('')}`

/** Passes on every engine. */
export const passing = suite(`
- {name: text, expression: 'name = "Ann''s \\"place\\""', members: [ann]}
- {name: nested, expression: 'address.city.startsWith("År")', members: [ann]}
- {name: list, expression: 'tags.count() = 2', members: [ann]}
- {name: map, expression: 'scores.x + scores.z < 0', members: [ann]}
- {name: objects, expression: 'exists O from orders where O.price >= 10 and O.sku = "s1"', members: [ann]}
- {name: event, expression: 'exists E from xEvent where E.eventType = "purchase" and E.items.count() = 1', members: [ann]}
- {name: not yet, expression: 'xEvent[eventType = "return"].count() = 0', members: [ann, bob, "O'Hara"]}
- {name: later, expression: 'xEvent[eventType = "return"].count() = 1', at: "2026-01-20T00:00:00Z", members: [ann]}
- {name: own people, expression: 'name = "X"', profiles: [{id: x, attributes: {name: X}}, {id: w}], members: [x]}
- {name: nobody, expression: 'name = "Y"', members: []}
- {name: attribute, expression: 'nam = "Y"', error: unknown-attribute}
- {name: grammar, expression: 'name = ', error: pql-syntax}
- {name: types, expression: 'name > 3', error: pql-type-mismatch}
- {name: function, expression: 'nam(3)', error: pql-unknown-function}
- {name: reference, expression: 'inSegment("x")', error: unresolved-reference}
- name: window
  expression: exists E from xEvent where E.eventType = "purchase" and E.timestamp occurs <= 7 days before now
  timeline:
    - {at: "2026-01-16T00:00:00Z", members: [ann], entered: [ann], exited: []}
    - {at: "2026-01-17T00:00:00Z", members: [ann], entered: [], exited: []}
    - {at: "2026-01-17T00:00:00.001Z", members: [], exited: [ann]}
    - {at: "2026-01-18T00:00:00Z", events: [{profile: bob, eventType: purchase}], members: [bob], entered: [bob]}
    - {at: "2026-01-20T00:00:00Z", events: [{profile: ann, eventType: purchase, timestamp: "2026-01-19T00:00:00Z"}], members: [ann, bob], entered: [ann]}
    - {at: "2026-02-20T00:00:00Z", members: [], exited: [ann, bob]}
- name: absence, and an event dated ahead that comes to pass
  expression: not (exists E from xEvent where E.eventType = "return")
  timeline:
    - {at: "2026-01-16T00:00:00Z", members: [ann, bob, "O'Hara"]}
    - {at: "2026-01-19T23:59:59.999Z", exited: []}
    - {at: "2026-01-20T00:00:00Z", members: [bob, "O'Hara"], exited: [ann]}
- name: attributes that are replaced, and somebody new
  expression: name.isNotNull()
  timeline:
    - {at: "2026-01-16T00:00:00Z", members: [ann]}
    - {at: "2026-01-16T00:00:00Z", profiles: [{id: ann, attributes: {}}, {id: eve, attributes: {name: Eve}}], members: [eve], entered: [eve], exited: [ann]}
- name: birthday
  expression: born.getMonth() = currentMonth() and born.getDayOfMonth() = currentDayOfMonth()
  timeline:
    - {at: "2026-01-14T23:00:00Z", members: []}
    - {at: "2026-01-15T01:00:00Z", members: [ann]}
    - {at: "2026-01-16T00:00:00Z", exited: [ann]}
    - {at: "2027-01-15T00:00:00Z", entered: [ann]}
`)

/** Segments that refer to others, with a SegmentTest of them that passes on every engine. */
export const segments = `apiVersion: convoke.dev/v1alpha1
kind: Organization
metadata: {name: acme}
spec: {imsOrgId: 0123456789ABCDEF01234567@AdobeOrg, entitlements: [RealTimeCDP, Sources]}
---
apiVersion: convoke.dev/v1alpha1
kind: ProfileStore
metadata: {name: shop}
spec:
  organizationRef: {name: acme}
  schema:
    profile: {type: object, properties: {id: {type: string}, age: {type: integer}}}
    event: {type: object, properties: {eventType: {type: string}}}
  identities: [{namespace: id, path: id, primary: true}]
  storage: {volume: {claimName: store, path: /}}
${[
  ['adults', 'age >= 18'],
  ['recent', 'exists E from xEvent where E.timestamp occurs <= 7 days before now'],
  ['recent-adults', 'inSegment("adults") and inSegment("recent")'],
  ['others', 'not inSegment("recent-adults")'],
  ['untested', 'age > 100 or age < 3'],
]
  .map(
    ([name, expression]) => `---
apiVersion: convoke.dev/v1alpha1
kind: Segment
metadata: {name: ${name}}
spec: {profileStoreRef: {name: shop}, expression: '${expression}'}
`,
  )
  .join('')}---
apiVersion: convoke.dev/v1alpha1
kind: SegmentTest
metadata: {name: of-segments}
spec:
  profileStoreRef: {name: shop}
  at: "2026-01-15T00:00:00Z"
  profiles:
    - {id: ann, attributes: {age: 30}, events: [{timestamp: "2026-01-14T00:00:00Z"}]}
    - {id: bob, attributes: {age: 20}}
    - {id: kid, attributes: {age: 8}, events: [{timestamp: "2026-01-14T00:00:00Z"}]}
  cases:
    - {name: far references, segmentRef: {name: others}, members: [bob, kid]}
    - {name: by expression, expression: 'inSegment("recent-adults") and age > 25', members: [ann]}
    - name: over time
      segmentRef: {name: others}
      timeline:
        - {at: "2026-01-15T00:00:00Z", members: [bob, kid]}
        - {at: "2026-01-21T00:00:00.001Z", members: [ann, bob, kid], entered: [ann]}
        - {at: "2026-01-22T00:00:00Z", events: [{profile: bob}], members: [ann, kid], exited: [bob]}
        - {at: "2026-01-30T00:00:00Z", entered: [bob]}
`

/** The same with a Segment that is called like an attribute. */
export const namesakes = segments.replaceAll('adults', 'age')
