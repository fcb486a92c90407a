// The thread on which namespaces are compiled: whatever one asks of it, the thread that holds the Lease goes on.
import { parentPort } from 'node:worker_threads'
import { type Answer, openAnswers, type Question, type Stopped } from './compiler.ts'

/** `question` absent: the namespace is forgotten. */
export type Asked = { readonly id: number; readonly namespace: string; readonly question?: Question }

/** Began with it, and then one of the two others. */
export type Said =
  | { readonly id: number; readonly began: true }
  | { readonly id: number; readonly answer: Answer | Stopped }
  | { readonly id: number; readonly fault: string }

const answers = openAnswers()
const say = (said: Said): void => parentPort?.postMessage(said)

parentPort?.on('message', ({ id, namespace, question }: Asked) => {
  if (!question) return answers.forget(namespace)
  say({ id, began: true })
  try {
    say({ id, answer: answers.answer(namespace, question) })
  } catch (error) {
    answers.forget(namespace)
    say({ id, fault: error instanceof Error ? (error.stack ?? error.message) : String(error) })
  }
})
