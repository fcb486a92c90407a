import { compileObjects, type Diagnostic, openSession, type Session } from '#compiler'
import { type Kind, kinds } from '#crds'
import type { Caches } from './caches.ts'
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

/** What may come with the next resource of the same `kubectl apply`: said, and no reason to refuse. */
const mayFollow: ReadonlySet<string> = new Set(['unresolved-reference', 'missing-organization'])
/** The API server cuts warnings at 256 characters and takes 4 KiB of them altogether. */
const [longestWarning, mostWarnings] = [256, 12]

/**
 * Answers with the compiler's findings at `kubectl apply`, as if the resource were there already: errors of its own deny, all else
 * warns, also what the change would break elsewhere.
 */
export function openAdmission(caches: Caches): (request: AdmissionRequest) => AdmissionResponse {
  const sessions = new Map<string, Session>()
  return (request) => {
    const { namespace = '' } = request
    const session = sessions.get(namespace) ?? openSession()
    const before = caches.ofNamespace(namespace)
    if (before.length === 0) sessions.delete(namespace)
    else sessions.set(namespace, session)
    return admit(before, request, session)
  }
}

function admit(
  before: ReturnType<Caches['ofNamespace']>,
  request: AdmissionRequest,
  session: Session,
): AdmissionResponse {
  const { uid, object, operation, namespace = '' } = request
  const kind = request.kind.kind
  if (!object || operation === 'DELETE' || operation === 'CONNECT' || !(kind in kinds) || kind === 'Run')
    return { uid, allowed: true }
  const key: ResourceKey = `${kind as Kind}/${namespace}/${object.metadata.name}`
  const own = { ...object, metadata: { ...object.metadata, namespace } }
  const others = before.filter((resource) => keyOf(resource) !== key).map(({ definition }) => definition)
  const now = compileObjects([...others, own], { session })
  const isOwn = ({ resource }: Diagnostic): boolean =>
    resource !== null && `${resource.kind}/${resource.namespace}/${resource.name}` === key
  const refused = now.diagnostics.filter(
    (diagnostic) => isOwn(diagnostic) && diagnostic.severity === 'error' && !mayFollow.has(diagnostic.code),
  )
  if (refused.length > 0) {
    const message = refused.map(warningText).join('\n')
    return { uid, allowed: false, status: { code: 422, reason: 'Invalid', message } }
  }
  const known = new Set(
    compileObjects(
      before.map(({ definition }) => definition),
      { session },
    ).diagnostics.map((diagnostic) => warningText(diagnostic)),
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
