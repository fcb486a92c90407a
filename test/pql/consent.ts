// Every combination of what a store may say of consent with what a profile may hold, and who may not be sent by it.
import { type ConsentRule, withoutConsent } from '../../compiler/consent.ts'
import type { StoreModel } from '../../compiler/model.ts'
import type { Condition } from '../../compiler/pql/ir.ts'
import { type TestPerson, typesOf } from '../support/pql.ts'

const val = (type: string) => ({ type: 'object', properties: { val: { type } } })
export const consentTypes = typesOf({
  profile: {
    type: 'object',
    properties: {
      text: { type: 'object', properties: { share: val('string'), email: val('string') } },
      flag: { type: 'object', properties: { share: val('boolean'), email: val('boolean') } },
      number: { type: 'object', properties: { share: val('integer'), email: val('integer') } },
    },
  },
})

const kinds = {
  text: { values: [null, 'n', 'N', 'y', 'Y', 'p', 'ş', ''], no: 'n', yes: 'y', other: 'p' },
  flag: { values: [null, true, false], no: 'false', yes: 'true', other: 'true' },
  number: { values: [null, 0, 1, 2, -1], no: '0', yes: '1', other: '2' },
} as const

export type Kind = keyof typeof kinds

/** A person for each pair of values, for what is always asked and for the channel. */
export function peopleOf(kind: Kind): readonly TestPerson[] {
  const { values } = kinds[kind]
  const held = (value: unknown) => (value === null ? {} : { val: value })
  return values.flatMap((share) =>
    values.map((email) => ({
      id: JSON.stringify([share, email]),
      attributes: { [kind]: { share: held(share), email: held(email) } },
      events: [],
    })),
  )
}

type Lists = Omit<ConsentRule, 'path'>

export function casesOf(
  kind: Kind,
): readonly { readonly name: string; readonly condition: Condition; readonly out: string[] }[] {
  const { values, no, yes, other } = kinds[kind]
  const lists: readonly (Lists | null)[] = [
    null,
    { out: [no] },
    { in: [yes] },
    { out: [no], in: [yes] },
    ...(other === yes ? [] : [{ out: [no, other] }, { in: [yes, other] }, { out: [other], in: [yes] }]),
  ]
  return lists.flatMap((general) =>
    lists.flatMap((channel) => {
      const consent = {
        ...(general && { general: { path: `${kind}.share.val`, ...general } }),
        channels: {
          ...(channel && { email: { path: `${kind}.email.val`, ...channel } }),
          sms: { path: 'no.path', out: ['x'] },
        },
      }
      // The consent and the types are all that is read of a store.
      const store = { resource: { spec: { consent } }, types: consentTypes } as unknown as StoreModel
      const condition = withoutConsent(store, 'email')
      if (!condition) return []
      const out = values.flatMap((share) =>
        values.flatMap((email) =>
          isOut(share, general) || isOut(email, channel) ? [JSON.stringify([share, email])] : [],
        ),
      )
      return [{ name: JSON.stringify({ general, channel }), condition, out: out.sort() }]
    }),
  )
}

/** The rule as people read it: a value of `out` is out; with `in`, so is everything else that is not in it. */
function isOut(value: string | number | boolean | null, lists: Lists | null): boolean {
  if (!lists) return false
  const is = (other: string) => value !== null && String(value).toLowerCase() === other.toLowerCase()
  return lists.out?.some(is) === true || (lists.in !== undefined && !lists.in.some(is))
}
