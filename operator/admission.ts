import { compileObjects, type Diagnostic, openSession, type Session } from '#compiler'
import { type Kind, kinds } from '#crds'
import { isShortened } from './budget.ts'
import type { Caches } from './caches.ts'
import { changeOf, keyOfDefinition, type Question, type Stopped } from './compiler.ts'
import { type Definition, keyOf, type ResourceKey } from './definition.ts'

/** What the API server asks of a webhook (admission.k8s.io/v1). */
export type AdmissionRequest = {
  readonly uid: string
  readonly kind: { readonly group: string; readonly kind: string }
  readonly namespace?: string
  readonly operation: 'CREATE' | 'UPDATE' | 'DELETE' | 'CONNECT'
  readonly object?: Definition | null
}

export type AdmissionResponse = {
  readonly uid: string
  readonly allowed: boolean
  readonly status?: { readonly code: number; readonly reason: string; readonly message: string }
  readonly warnings?: readonly string[]
}

/** Findings that the next resource of the same `kubectl apply` may cure: they warn, and refuse nothing. */
const mayFollow: ReadonlySet<string> = new Set(['unresolved-reference', 'missing-organization'])
/** The API server cuts a warning at 256 characters, and takes 4 KiB of warnings altogether. */
const [longestWarning, mostWarnings] = [256, 12]
/** Nobody reads more refusals than these at a terminal. */
const mostRefusals = 20

/** What is examined: the namespace, as the changes since the last question, and the request. */
export type Examination = Pick<Question, 'isWhole' | 'set' | 'gone'> & { readonly request: AdmissionRequest }

export type Admitter = {
  readonly ask: (namespace: string, make: (isWhole: boolean) => Examination) => Promise<AdmissionResponse | Stopped>
  readonly forget: (namespace: string) => void
  readonly stop: () => Promise<void>
}

/** Examines at once, on the thread that asks. */
export function admitterHere(): Admitter {
  const examinations = openExaminations()
  return {
    ask: async (namespace, make) => examinations.answer(namespace, make(!examinations.knows(namespace))),
    forget: examinations.forget,
    stop: async () => {},
  }
}

export function openExaminations(): {
  readonly answer: (namespace: string, examination: Examination) => AdmissionResponse
  readonly knows: (namespace: string) => boolean
  readonly forget: (namespace: string) => void
} {
  const states = new Map<string, { readonly session: Session; readonly definitions: Map<ResourceKey, Definition> }>()
  return {
    knows: (namespace) => states.has(namespace),
    forget: (namespace) => void states.delete(namespace),
    answer(namespace, { isWhole, set, gone, request }) {
      const state = (isWhole ? undefined : states.get(namespace)) ?? { session: openSession(), definitions: new Map() }
      for (const key of gone) state.definitions.delete(key)
      for (const definition of set) state.definitions.set(keyOfDefinition(definition), definition)
      if (state.definitions.size === 0) states.delete(namespace)
      else states.set(namespace, state)
      return admit(state.definitions, request, state.session)
    },
  }
}

/** How many requests wait for one another at most; the API server itself gives up after ten seconds. */
const mostWaiting = 20

/**
 * Answers with the compiler's findings at `kubectl apply`, as if the resource were there already: errors of the resource itself deny, all
 * else warns, also what the change would break elsewhere. What cannot be examined in time is let in with a warning: its conditions tell
 * later.
 */
export function openAdmission(
  caches: Caches,
  admitter: Admitter = admitterHere(),
): (request: AdmissionRequest) => Promise<AdmissionResponse> {
  /** What the examiner has been told of each namespace. */
  const asked = new Map<string, ReadonlyMap<ResourceKey, Definition>>()
  let waiting = 0
  const unexamined = ({ uid }: AdmissionRequest, why: string): AdmissionResponse => ({
    uid,
    allowed: true,
    warnings: [`Convoke has not checked this: ${why} Its conditions will say what is found.`.slice(0, longestWarning)],
  })
  return async (request) => {
    const { uid, object, operation, namespace = '' } = request
    const { kind } = request.kind
    if (!object || operation === 'DELETE' || operation === 'CONNECT' || !(kind in kinds) || kind === 'Run')
      return { uid, allowed: true }
    const excess = caches.excessOf(namespace)
    if (excess !== null) return unexamined(request, excess)
    if (waiting >= mostWaiting) return unexamined(request, 'too many others are being checked.')
    waiting += 1
    let now: ReadonlyMap<ResourceKey, Definition> = new Map()
    try {
      const answer = await admitter.ask(namespace, (isWhole) => {
        now = new Map(caches.ofNamespace(namespace).map((resource) => [keyOf(resource), resource.definition]))
        const change = changeOf(now, isWhole ? undefined : asked.get(namespace))
        asked.delete(namespace)
        return { ...change, request }
      })
      if ('stopped' in answer) return unexamined(request, answer.stopped)
      if ([...now.values()].some(isShortened))
        return unexamined(request, caches.excessOf(namespace) ?? 'its namespace is being read again.')
      if (now.size > 0) asked.set(namespace, now)
      return answer
    } finally {
      waiting -= 1
    }
  }
}

function admit(
  before: ReadonlyMap<ResourceKey, Definition>,
  { uid, object, kind: { kind }, namespace = '' }: AdmissionRequest,
  session: Session,
): AdmissionResponse {
  if (!object) return { uid, allowed: true }
  const key: ResourceKey = `${kind as Kind}/${namespace}/${object.metadata.name}`
  const own = { ...object, metadata: { ...object.metadata, namespace } }
  const others = [...before].flatMap(([other, definition]) => (other === key ? [] : [definition]))
  const now = compileObjects([...others, own], { session })
  const isOwn = ({ resource }: Diagnostic): boolean =>
    resource !== null && `${resource.kind}/${resource.namespace}/${resource.name}` === key
  const refused = now.diagnostics.filter(
    (diagnostic) => isOwn(diagnostic) && diagnostic.severity === 'error' && !mayFollow.has(diagnostic.code),
  )
  if (refused.length > 0) {
    const more = refused.length - mostRefusals
    const message = [
      ...refused.slice(0, mostRefusals).map(warningText),
      ...(more > 0 ? [`And ${more} more; \`convoke check\` lists all.`] : []),
    ].join('\n')
    return { uid, allowed: false, status: { code: 422, reason: 'Invalid', message } }
  }
  const known = new Set(
    compileObjects([...before.values()], { session }).diagnostics.map((diagnostic) => warningText(diagnostic)),
  )
  const warnings = now.diagnostics
    .filter(
      (diagnostic) => isOwn(diagnostic) || (diagnostic.severity === 'error' && !known.has(warningText(diagnostic))),
    )
    .map(
      (diagnostic) =>
        (isOwn(diagnostic) ? '' : `${diagnostic.resource?.kind} ${diagnostic.resource?.name}: `) +
        warningText(diagnostic),
    )
    .slice(0, mostWarnings)
    .map((text) => (text.length > longestWarning ? `${text.slice(0, longestWarning - 1)}…` : text))
  return { uid, allowed: true, ...(warnings.length > 0 && { warnings }) }
}

function warningText({ code, path, message, help }: Diagnostic): string {
  return `${code}: ${path === '' ? '' : `${path}: `}${message}.${help === undefined ? '' : ` ${help}`}`
}
