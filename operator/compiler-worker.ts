// The thread on which namespaces are compiled, so that the thread that holds the Lease goes on whatever a compilation does.
import { parentPort } from 'node:worker_threads'
import { type AdmissionResponse, type Examination, openExaminations } from './admission.ts'
import { type Answer, openAnswers, type Question, type Stopped } from './compiler.ts'

export type Task =
  | { readonly kind: 'compile'; readonly question: Question }
  | { readonly kind: 'admit'; readonly examination: Examination }

/** A question to the thread; without `task` the namespace is forgotten. */
export type Asked = { readonly id: number; readonly namespace: string; readonly task?: Task }

/** What the thread says: first that it has begun with the question, then one of the two others. */
export type Said =
  | { readonly id: number; readonly began: true }
  | { readonly id: number; readonly answer: Answer | AdmissionResponse | Stopped }
  | { readonly id: number; readonly fault: string }

const [answers, examinations] = [openAnswers(), openExaminations()]
const say = (said: Said): void => parentPort?.postMessage(said)

function forget(namespace: string): void {
  answers.forget(namespace)
  examinations.forget(namespace)
}

parentPort?.on('message', ({ id, namespace, task }: Asked) => {
  if (!task) return forget(namespace)
  say({ id, began: true })
  try {
    const answer =
      task.kind === 'compile'
        ? answers.answer(namespace, task.question)
        : examinations.answer(namespace, task.examination)
    say({ id, answer })
  } catch (error) {
    forget(namespace)
    say({ id, fault: error instanceof Error ? (error.stack ?? error.message) : String(error) })
  }
})
