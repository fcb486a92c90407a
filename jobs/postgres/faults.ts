import { JobError } from '../errors.ts'

export type FaultContext = {
  /** `the database of …`. */
  readonly place: string
  /** The next step where the database refuses a statement for its content. */
  readonly advice?: string
  /** The next step where the role lacks a privilege. */
  readonly grant?: string
  /** Who holds the lock that was waited for, or the statement_timeout; null where nobody could say. */
  readonly more?: string | null
  readonly lockTimeout?: string
}

/**
 * The JobError for an error of the database or of the way to it. An error of neither (a JobError, a fault of our own) comes back
 * unchanged.
 */
export function databaseFault(error: unknown, context: FaultContext): unknown {
  if (error instanceof JobError || !(error instanceof Error)) return error
  const state = sqlStateOf(error)
  if (state === null) {
    if (!isConnection(error)) return error
    return unavailable(error, context, 'Check that it is up and that the job may reach it; the step can be run again.')
  }
  const { sort, advice } = answers.find(({ states }) => states.test(state)) ?? unknownAnswer
  return sort(error, context, advice(context))
}

type Sort = (error: Error, context: FaultContext, advice: string) => JobError

const refused: Sort = (error, { place }, advice) =>
  new JobError('DatabaseRefused', `${capital(place)} refused: ${said(error)}. ${advice}`, error)

const unavailable: Sort = (error, { place }, advice) =>
  new JobError('DatabaseUnavailable', `${capital(place)} cannot be used: ${said(error)}. ${advice}`, error)

type Answer = {
  /** SQLSTATEs: five characters each; Appendix A of PostgreSQL's manual lists them. The first row that fits counts. */
  readonly states: RegExp
  readonly sort: Sort
  readonly advice: (context: FaultContext) => string
}

const again = 'The step can be run again.'

const answers: readonly Answer[] = [
  {
    states: /^28/,
    sort: refused,
    advice: () => 'Check username and password in its credentials secret.',
  },
  { states: /^3D000/, sort: refused, advice: () => 'Check the name of the database.' },
  {
    states: /^42501/,
    sort: refused,
    advice: ({ grant }) => grant ?? 'Grant the role what is missing.',
  },
  {
    states: /^55P03/,
    sort: unavailable,
    advice: ({ more, lockTimeout }) =>
      `${more ? `The lock is held by ${more}.` : 'Somebody else holds the lock.'} A statement waits for the role's lock_timeout, or ${lockTimeout ?? '60s'}. End that transaction, or let it end; the step can be run again.`,
  },
  {
    states: /^57014/,
    sort: unavailable,
    advice: ({ more }) =>
      more === null || more === undefined || more === '0'
        ? `Somebody has cancelled the statement. ${again}`
        : `The role's statement_timeout is ${more}, which is too short for this work: ALTER ROLE … SET statement_timeout = '30min'. ${again}`,
  },
  {
    states: /^25006/,
    sort: unavailable,
    advice: () =>
      'It can only be read: it is a standby, or default_transaction_read_only is set for it or for the role (as some services do when the disk is full). Name the primary, or end that state; the step can be run again.',
  },
  {
    states: /^25P03|^57P05/,
    sort: unavailable,
    advice: () => `Its idle timeout has ended the session. ${again}`,
  },
  { states: /^40/, sort: unavailable, advice: () => `Another transaction stood in the way. ${again}` },
  {
    states: /^53100/,
    sort: unavailable,
    advice: () => 'Its disk is full: free space there; the step can be run again.',
  },
  { states: /^53200/, sort: unavailable, advice: () => `The server is out of memory. ${again}` },
  {
    states: /^53300/,
    sort: unavailable,
    advice: () => 'It has no connection left: raise max_connections, or close others; the step can be run again.',
  },
  { states: /^(53|57|58|08)/, sort: unavailable, advice: () => `It ended the work by itself. ${again}` },
  {
    states: /^XX/,
    sort: unavailable,
    advice: () => 'This is a fault inside the server: its log says more. The step can be run again.',
  },
]

const unknownAnswer: Omit<Answer, 'states'> = {
  sort: refused,
  advice: ({ advice }) => advice ?? 'Check the table.',
}

/** Whether the fault lies in a statement's surroundings, not in its rows: another row would fare no better. */
export const surroundingStates = '^(08|25|40|53|57|58)|^(55P03|55006|XX001|XX002)$'

/** SQLSTATE of the server's answer; null for any other error. */
export function sqlStateOf(error: unknown): string | null {
  const code = error instanceof Error && 'code' in error && 'severity' in error ? String(error.code) : ''
  return /^[0-9A-Z]{5}$/.test(code) ? code : null
}

/** Whether the server said nothing, or only that it was cut off. */
export function isUnanswered(error: unknown): boolean {
  const state = sqlStateOf(error)
  return state === null ? isConnection(error) : /^(08|57)/.test(state)
}

/** Whether another attempt to connect may succeed. */
export function isPassing(error: unknown): boolean {
  const state = sqlStateOf(error)
  return state === null ? isConnection(error) : /^(08|57P0[1-3]|53300)/.test(state)
}

/** Errors of node's sockets and of the client for a connection that is not there, or no longer. */
function isConnection(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  const code = 'code' in error ? String(error.code) : ''
  return (
    /^(E[A-Z]{3,}|ERR_STREAM_PREMATURE_CLOSE|ERR_STREAM_DESTROYED)$/.test(code) ||
    /connection (terminated|ended|timeout)|not queryable|timeout expired|client was closed/i.test(error.message)
  )
}

function said(error: Error): string {
  // Where a connection to several addresses is refused, only its parts have messages.
  const message = error.message || (error instanceof AggregateError ? error.errors.map(String).join(', ') : '')
  return (message || ('code' in error ? String(error.code) : error.name)).replace(/[.\s]+$/, '')
}

function capital(text: string): string {
  return text[0]!.toUpperCase() + text.slice(1)
}
