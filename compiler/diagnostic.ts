import type { Code } from './codes.ts'

export type Severity = 'error' | 'warning' | 'info'

/** Half-open range of UTF-16 code units in a file's text. */
export type FileSpan = { readonly start: number; readonly end: number }

export type ResourceName = { readonly kind: string; readonly namespace: string; readonly name: string }

/** A place in a file, or in a resource that came from the API server (file null). */
export type Place = {
  readonly file: string | null
  readonly span: FileSpan | null
  readonly resource: ResourceName | null
  readonly path: string
}

export type Edit = { readonly file: string; readonly start: number; readonly end: number; readonly text: string }

/**
 * `safe`: the fix keeps or restores what was evidently meant, and was verified by compiling the fixed text. `review`: a person has to
 * look at it. `template`: it contains a value that only a person knows.
 */
export type Fix = {
  readonly title: string
  readonly safety: 'safe' | 'review' | 'template'
  readonly edits: readonly Edit[]
}

/** Deliveries that are all at fault, or (`keepsOne`) all but one of them. */
export type Without = { readonly deliveries: readonly Delivery[]; readonly keepsOne: boolean }

/** A Segment that an Activation of the finding's namespace delivers, and what is wrong with that. */
export type Delivery = { readonly activation: string; readonly segment: string; readonly message: string }

/** One fault, said once, at the smallest place that one would edit. Line and column are found late, in `render/`. */
export type Diagnostic = Place & {
  readonly code: Code
  readonly severity: Severity
  /** What is wrong, in the user's words and with the values; without a final stop. */
  readonly message: string
  /** Evidence at other places, each with its label. */
  readonly related: readonly (Place & { readonly message: string })[]
  /** The reason for the limit, and its source. */
  readonly why?: string
  /** The next step, as a full sentence. */
  readonly help?: string
  readonly fixes: readonly Fix[]
  /** Deliveries without which the finding would not be there; absent: the resource as a whole is at fault. */
  readonly without?: readonly Without[]
}

/** Sorts by file and place, then by code and message: the same order on every run, whatever the order of the files given. */
export function sortDiagnostics(diagnostics: readonly Diagnostic[]): Diagnostic[] {
  const key = (diagnostic: Diagnostic): readonly (string | number)[] => [
    diagnostic.file ?? '',
    diagnostic.span?.start ?? 0,
    diagnostic.span?.end ?? 0,
    diagnostic.resource
      ? `${diagnostic.resource.kind}/${diagnostic.resource.namespace}/${diagnostic.resource.name}`
      : '',
    diagnostic.path,
    diagnostic.code,
    diagnostic.message,
  ]
  return [...diagnostics].sort((a, b) => {
    const [left, right] = [key(a), key(b)]
    for (const [index, part] of left.entries()) {
      const other = right[index]!
      if (part !== other) return part < other ? -1 : 1
    }
    return 0
  })
}

/** `spec.mapping[0].source` */
export function pathText(path: readonly (string | number)[]): string {
  return path.reduce<string>(
    (text, part) => (typeof part === 'number' ? `${text}[${part}]` : text === '' ? part : `${text}.${part}`),
    '',
  )
}
