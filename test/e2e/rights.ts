// What a service account asked of the API server, by its audit log.
import { readFileSync } from 'node:fs'

/** Verbs by `group/resource`, `core` for the group without a name, as test/chart/grants.ts has them. */
export type Used = {
  readonly verbs: Readonly<Record<string, readonly string[]>>
  /** What it has no right to, as `verb group/resource`. */
  readonly forbidden: readonly string[]
}

export type Span = readonly [from: Date, to: Date]

type Event = {
  readonly requestReceivedTimestamp: string
  readonly user: { readonly username: string }
  readonly verb: string
  /** Absent where a path is asked that is no resource's, such as /openapi/v3. */
  readonly objectRef?: { readonly apiGroup?: string; readonly resource: string; readonly subresource?: string }
  readonly annotations?: { readonly 'authorization.k8s.io/decision'?: 'allow' | 'forbid' }
}

/** What is asked `between` is left out: operators outlive their rights for a moment. */
export function usedBy(account: string, auditLog: string, between: Span): Used {
  const verbs: Record<string, Set<string>> = {}
  const forbidden = new Set<string>()
  for (const line of readFileSync(auditLog, 'utf8').split('\n')) {
    if (line === '') continue
    const { requestReceivedTimestamp, user, verb, objectRef, annotations }: Event = JSON.parse(line)
    if (user.username !== account || objectRef === undefined) continue
    const asked = new Date(requestReceivedTimestamp)
    if (asked > between[0] && asked < between[1]) continue
    const { apiGroup = 'core', resource, subresource } = objectRef
    const what = `${apiGroup}/${[resource, subresource].filter(Boolean).join('/')}`
    // A namespace that is being deleted refuses as well, with the same code.
    if (annotations?.['authorization.k8s.io/decision'] === 'forbid') forbidden.add(`${verb} ${what}`)
    else (verbs[what] ??= new Set()).add(verb)
  }
  return {
    verbs: Object.fromEntries(Object.entries(verbs).map(([what, each]) => [what, [...each].sort()])),
    forbidden: [...forbidden].sort(),
  }
}
