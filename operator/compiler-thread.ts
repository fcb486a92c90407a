import { Worker } from 'node:worker_threads'
import type { Admitter, Examination } from './admission.ts'
import type { Answer, Compiler, Question, Stopped } from './compiler.ts'
import type { Asked, Said, Task } from './compiler-worker.ts'
import type { Clock } from './kernel/clock.ts'

export type ThreadOptions = {
  readonly clock: Clock
  /** How long one answer may take: on the thread that most namespaces share, and on that of namespaces that need longer. */
  readonly quickMs: number
  readonly longestMs: number
  /** The limit of each thread's heap. */
  readonly memoryMiB: number
}

/**
 * Compiles on threads of its own, each with a limit of time and memory. A namespace that exceeds the first thread's time moves to the
 * second, where slow namespaces wait for each other only. A thread that was ended is replaced and told everything again.
 */
export function compilerThreads({ clock, quickMs, longestMs, memoryMiB }: ThreadOptions): Compiler {
  const open = (limitMs: number): Thread<Question, Answer> =>
    openThread({ clock, longestMs: limitMs, memoryMiB, task: (question) => ({ kind: 'compile', question }) })
  const [quick, slow] = [open(quickMs), open(longestMs)]
  /** Namespaces for which the first thread had to be ended. */
  const slowOnes = new Set<string>()
  return {
    async ask(namespace, make) {
      if (!slowOnes.has(namespace)) {
        const answer = await quick.ask(namespace, make)
        if (!('stopped' in answer)) return answer
        slowOnes.add(namespace)
      }
      // A namespace that would wait for minutes gives its place in the operator's queue to others.
      if (slow.waiting() >= mostSlow) return { stopped: 'Other namespaces that take long to compile come first.' }
      return slow.ask(namespace, make)
    },
    forget(namespace) {
      slowOnes.delete(namespace)
      for (const thread of [quick, slow]) thread.forget(namespace)
    },
    stop: async () => void (await Promise.all([quick.stop(), slow.stop()])),
  }
}

/** Examines resources on one more thread, so that a request never waits for a compilation. */
export function admissionThread(
  options: Pick<ThreadOptions, 'clock' | 'memoryMiB'> & { readonly longestMs: number },
): Admitter {
  return openThread<Examination, ReturnType<Admitter['ask']> extends Promise<infer A> ? Exclude<A, Stopped> : never>({
    ...options,
    task: (examination) => ({ kind: 'admit', examination }),
  })
}

/** One slow namespace is compiled at a time; this many may wait, the one at work counted. */
const mostSlow = 3

/** The URL of the worker's program: in the bundle all files lie in one folder. */
const program = new URL(
  import.meta.url.endsWith('.ts') ? './compiler-worker.ts' : './compiler-worker.js',
  import.meta.url,
)
/** Time to start a thread and to take a question apart there, on a busy machine. */
const longestStartMs = 60_000

type Thread<Q, A> = {
  /** How many questions have no answer yet. */
  readonly waiting: () => number
  readonly ask: (namespace: string, make: (isWhole: boolean) => Q) => Promise<A | Stopped>
  readonly forget: (namespace: string) => void
  readonly stop: () => Promise<void>
}

/** Answers one question after the other on one thread, which starts with the first question. */
function openThread<Q, A extends object>({
  clock,
  longestMs,
  memoryMiB,
  task,
}: {
  readonly clock: Clock
  readonly longestMs: number
  readonly memoryMiB: number
  readonly task: (question: Q) => Task
}): Thread<Q, A> {
  let worker: Worker | null = null
  let known = new Set<string>()
  let turn: Promise<unknown> = Promise.resolve()
  let next = 0
  let isStopped = false
  let waiting = 0

  return {
    waiting: () => waiting,
    ask(namespace, make) {
      waiting += 1
      const own = turn.then(() => answerOf(namespace, make)).finally(() => (waiting -= 1))
      turn = own.catch(() => {})
      return own
    },
    forget(namespace) {
      if (known.delete(namespace)) worker?.postMessage({ id: next++, namespace } satisfies Asked)
    },
    async stop() {
      isStopped = true
      await replace()
    },
  }

  function opened(): Worker {
    if (worker) return worker
    worker = new Worker(program, {
      resourceLimits: { maxOldGenerationSizeMb: memoryMiB },
      stdout: false,
      stderr: false,
    })
    // The process does not stay alive for this thread, and an error while it is being ended does not matter.
    worker.unref()
    worker.on('error', () => {})
    return worker
  }

  /** Ends the thread; the next question starts a new one. */
  async function replace(): Promise<void> {
    const old = worker
    worker = null
    known = new Set()
    await old?.terminate()
  }

  async function answerOf(namespace: string, make: (isWhole: boolean) => Q): Promise<A | Stopped> {
    if (isStopped) throw new Error('The compiler was stopped.')
    const thread = opened()
    const question = make(!known.has(namespace))
    const id = next++
    const { promise, resolve, reject } = Promise.withResolvers<A | Stopped>()
    const end = (reason: string): void => {
      resolve({ stopped: reason })
      void replace()
    }
    const late = (): void =>
      end(`Compiling this namespace took more than ${Math.round(longestMs / 1000)} s and was ended.`)
    let cancel = clock.after(longestStartMs + longestMs, late)
    const heard = (said: Said): void => {
      if (said.id !== id) return
      if ('began' in said) {
        cancel()
        cancel = clock.after(longestMs, late)
      } else if ('answer' in said)
        resolve(said.answer as A | Stopped) // to the task that was sent
      else reject(new Error(said.fault))
    }
    const failed = (error: Error & { readonly code?: string }): void => {
      if (error.code === 'ERR_WORKER_OUT_OF_MEMORY')
        end(`Compiling this namespace took more than ${memoryMiB} MiB of memory and was ended.`)
      else {
        reject(error)
        void replace()
      }
    }
    const gone = (): void => end('Compiling this namespace was ended with its thread.')
    thread.on('message', heard).on('error', failed).on('exit', gone)
    try {
      thread.postMessage({ id, namespace, task: task(question) } satisfies Asked)
      const answer = await promise
      if (!('stopped' in answer)) known.add(namespace)
      else known.delete(namespace)
      return answer
    } catch (error) {
      known.delete(namespace)
      throw error
    } finally {
      cancel()
      thread.off('message', heard).off('error', failed).off('exit', gone)
    }
  }
}
