import { consentPaths } from '../consent.ts'
import { alternatives } from '../suggest.ts'
import type { Rule } from './rule.ts'

export const unstatedConsent: Rule = {
  severity: 'warning',
  page: {
    title: 'A schema knows of consent, and the ProfileStore does not say what it means',
    checks:
      'Profile schemas with attributes such as `consents`, `privacyOptOuts`, `optOut…`, `doNotContact` or `unsubscribed`, in a ProfileStore without `spec.consent`.',
    why: 'Who has opted out is delivered like everybody else, unless each single Segment thinks of it.',
    source: 'Honoring opt-out requests in segments; Consent processing in Adobe Experience Platform',
    bad: `
kind: ProfileStore
metadata: { name: readers }
spec:
  schema:
    profile:
      type: object
      properties:
        readerId: { type: string }
        person: { type: object, properties: { name: { type: object, properties: { firstName: { type: string }, lastName: { type: string } } }, birthDate: { type: string, format: date } } }
        personalEmail: { type: object, properties: { address: { type: string, format: email } } }
        homeAddress: { type: object, properties: { city: { type: string }, countryCode: { type: string } } }
        club: { type: object, properties: { level: { type: string }, credits: { type: integer }, since: { type: string, format: date-time } } }
        noMail: { type: boolean }
        genres: { type: array, items: { type: string } }
        affinity: { type: object, additionalProperties: { type: number } }
        consents: { type: object, properties: { marketing: { type: object, properties: { email: { type: object, properties: { val: { type: string } } } } } } }
    event:
      type: object
      properties:
        timestamp: { type: string, format: date-time }
        eventType: { type: string }
        commerce: { type: object, properties: { order: { type: object, properties: { priceTotal: { type: number }, currencyCode: { type: string } } } } }
        productListItems: { type: array, items: { type: object, properties: { SKU: { type: string }, quantity: { type: integer } } } }
`,
    good: `
kind: ProfileStore
metadata: { name: readers }
spec:
  schema:
    profile:
      type: object
      properties:
        readerId: { type: string }
        person: { type: object, properties: { name: { type: object, properties: { firstName: { type: string }, lastName: { type: string } } }, birthDate: { type: string, format: date } } }
        personalEmail: { type: object, properties: { address: { type: string, format: email } } }
        homeAddress: { type: object, properties: { city: { type: string }, countryCode: { type: string } } }
        club: { type: object, properties: { level: { type: string }, credits: { type: integer }, since: { type: string, format: date-time } } }
        noMail: { type: boolean }
        genres: { type: array, items: { type: string } }
        affinity: { type: object, additionalProperties: { type: number } }
        consents: { type: object, properties: { marketing: { type: object, properties: { email: { type: object, properties: { val: { type: string } } } } } } }
    event:
      type: object
      properties:
        timestamp: { type: string, format: date-time }
        eventType: { type: string }
        commerce: { type: object, properties: { order: { type: object, properties: { priceTotal: { type: number }, currencyCode: { type: string } } } } }
        productListItems: { type: array, items: { type: object, properties: { SKU: { type: string }, quantity: { type: integer } } } }
  consent:
    channels:
      email: { path: consents.marketing.email.val, out: ["n"] }
`,
  },
  check: {
    ProfileStore(resource, { model, report }) {
      const store = model.relations.store.get(resource)
      if (!store || store.faulty || resource.spec.consent) return
      const paths = consentPaths(store)
      if (paths.length === 0) return
      report({
        path: ['spec', 'schema', 'profile', ...(paths[0]?.split('.') ?? []).flatMap((name) => ['properties', name])],
        on: 'key',
        message: `${alternatives(paths.slice(0, 3), 'and')} ${paths.length === 1 ? 'speaks' : 'speak'} of consent, and this ProfileStore lets everybody be sent`,
        help: 'Say in `spec.consent` which values may not be sent, for everything (`general`) or by channel (`channels`).',
      })
    },
  },
}
