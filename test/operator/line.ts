// The way of one process to the API server, in this process: a Transport around the real one, and what befalls requests on it. What can be
// done to it is what can be done to test/cluster/fault-proxy.ts.
import { setTimeout as sleep } from 'node:timers/promises'
import { bodyText, type HttpResponse, httpTransport, type Transport } from '../../operator/kernel/transport.ts'
import { startFaultProxy } from '../cluster/fault-proxy.ts'
import {
  type Asked,
  askedOf,
  type Draw,
  drawn,
  type Fault,
  isWork,
  openDraws,
  type Rates,
  refusals,
  statusOf,
} from '../cluster/faults.ts'
import { bodyOf } from './api.ts'

export type Line = {
  readonly transport: Transport
  /** Nothing befalls requests any more; what has begun goes on. */
  readonly pause: () => void
  readonly partition: () => void
  readonly heal: () => void
  /**
   * For the server it is as if the process died at the work of that number, counted from 0 and from now: with it done or not. Resolves
   * then; nothing comes through any more until `revive`.
   */
  readonly dieAt: (write: number, isDone: boolean) => Promise<void>
  readonly die: () => void
  /** Also takes back a death to come. */
  readonly revive: () => void
  /** Resolves when nothing that was sent can be done any more. */
  readonly settled: () => Promise<void>
  readonly stop: () => Promise<void>
}

export type DirectLine = Line & {
  /** Every request that was done as asked, watches not counted. */
  readonly done: readonly Done[]
  /** Watches stay open and say nothing until `hear`. */
  readonly deafen: () => void
  readonly hear: () => void
  /** As if the process were stopped by SIGSTOP, its clock aside: nothing that it sends goes out, and it hears of nothing, until `thaw`. */
  readonly freeze: () => void
  readonly thaw: () => void
}

/** `revision`: of the API server, of what a write has left; null of what left nothing. */
export type Done = Asked & { readonly status: number; readonly revision: number | null; readonly holder: string | null }

export type LineOptions = {
  readonly seed: number
  readonly rates?: Rates
  /** How long a while is, from and to, in milliseconds. */
  readonly whileMs?: readonly [number, number]
  /** When a request that was dropped breaks. */
  readonly dropMs?: number
  /** Whether what a partition holds may come though nobody waits for it any more, as from a proxy on the way; so unless given. */
  readonly isLate?: boolean
}

/** Without rates nothing befalls anything by seed. */
export function openLine(transport: Transport, options: LineOptions = { seed: 0 }): DirectLine {
  const { rates = {}, whileMs = [5, 200], dropMs = 3000, isLate = true } = options
  const drawFor = openDraws(options.seed)
  const done: Done[] = []
  const underWay = new Set<Promise<unknown>>()
  const whole = openGate()
  const hearing = openGate()
  const running = openGate()
  let paused = false
  let life = openLife()
  let death: { left: number; readonly isDone: boolean; readonly died: () => void } | null = null

  return {
    transport: exchange,
    done,
    pause: () => void (paused = true),
    partition: whole.close,
    heal: whole.open,
    deafen: hearing.close,
    hear: hearing.open,
    freeze: running.close,
    thaw: running.open,
    dieAt: (write, isDone) => new Promise((died) => void (death = { left: write, isDone, died })),
    die,
    revive() {
      if (life.isOver()) life = openLife()
      death = null
    },
    async settled() {
      while (underWay.size > 0) await Promise.allSettled(underWay)
    },
    async stop() {
      die()
      whole.open()
      hearing.open()
      running.open()
    },
  }

  function exchange(request: Parameters<Transport>[0]): Promise<HttpResponse> {
    const { signal } = request
    if (signal.aborted) return Promise.reject(signal.reason)
    if (life.isOver()) return Promise.reject(reset())
    const going = go(request, life)
    underWay.add(going)
    // A request goes on without whoever sent it.
    going.then(
      () => underWay.delete(going),
      () => underWay.delete(going),
    )
    return Promise.race([going, life.end, abortion(signal)])
  }

  async function go(request: Parameters<Transport>[0], own: Life): Promise<HttpResponse> {
    const { method, path, query = {}, signal } = request
    await stopped(signal)
    const asked = askedOf(method, path, new URLSearchParams(query))
    const draw = drawFor(asked)
    const dies = isDeath(asked)
    const fault = dies || paused ? null : drawn(rates, asked, draw)
    if (fault === 'partition') {
      whole.close()
      void sleep(someMs(draw('lasts'))).then(whole.open)
    }
    if (whole.isClosed()) {
      await whole.opened()
      if (!isLate && signal.aborted) throw reset()
      // It was on its way, or it was not; whoever sent it may be gone.
      if (draw('comes late') < 0.5) throw reset()
    }
    if (dies && !death!.isDone) {
      die()
      throw reset()
    }
    if (fault === 'drop') {
      await sleep(dropMs)
      throw reset()
    }
    if (fault === 'reset') throw reset()
    if (fault === 'delay') await sleep(someMs(draw('delay')))
    const refusal = fault === null ? undefined : refusals[fault]
    if (refusal !== undefined && fault !== 'errorWhenDone') return answerOf(refusal.code, refusal.reason)
    if (asked.kind === 'watch') {
      const either = AbortSignal.any([signal, own.signal])
      const answer = await transport({ ...request, signal: either })
      return { ...answer, body: stream(answer.body, fault, draw, either) }
    }
    const answer = await transport(
      asked.kind === 'write' ? { ...request, signal: AbortSignal.timeout(60_000) } : request,
    )
    const text = await bodyText(answer)
    done.push({ ...asked, status: answer.status, ...leftBy(asked, answer.status, text) })
    if (dies) {
      die()
      throw reset()
    }
    await whole.opened()
    await stopped(signal)
    if (fault === 'answerLate') await sleep(someMs(draw('delay')))
    if (fault === 'loseAnswer') throw reset()
    if (fault === 'errorWhenDone') return answerOf(refusal!.code, refusal!.reason)
    return { ...answer, body: fault === 'cutAnswer' ? cut(text) : bodyOf(text) }
  }

  async function* stream(
    body: AsyncIterable<Uint8Array>,
    fault: Fault | null,
    draw: Draw,
    signal: AbortSignal,
  ): AsyncIterable<Uint8Array> {
    const parts = body[Symbol.asyncIterator]()
    const ends = ['endWatch', 'resetWatch', 'goneInWatch', 'stallWatch'].includes(fault ?? '')
      ? sleep(someMs(draw('ends'))).then(() => 'over' as const)
      : null
    const lateMs = fault === 'slowWatch' || fault === 'answerLate' ? someMs(draw('delay')) : 0
    try {
      for (;;) {
        const next = parts.next().then((part) => ({ part, atMs: performance.now() }))
        const got = await (ends === null ? next : Promise.race([next, ends]))
        if (got === 'over') {
          next.catch(() => {})
          if (fault === 'goneInWatch')
            yield Buffer.from(`${JSON.stringify({ type: 'ERROR', object: statusOf(410, 'Expired') })}\n`)
          if (fault === 'resetWatch') throw reset()
          if (fault === 'stallWatch') await abortion(signal)
          return
        }
        if (got.part.done) return
        if (lateMs > 0) await sleep(Math.max(0, got.atMs + lateMs - performance.now()))
        await Promise.race([Promise.all([whole, hearing, running].map((gate) => gate.opened())), abortion(signal)])
        yield got.part.value
      }
    } finally {
      void parts.return?.().catch(() => {})
    }
  }

  /** Whoever stopped is told first, when he goes on, which of his timers have run out. */
  async function stopped(signal: AbortSignal): Promise<void> {
    await running.opened()
    if (signal.aborted) throw signal.reason
  }

  function isDeath(asked: Asked): boolean {
    if (death === null || !isWork(asked)) return false
    death.left -= 1
    return death.left < 0
  }

  function die(): void {
    life.finish()
    death?.died()
    death = null
  }

  function someMs(share: number): number {
    const [from, to] = whileMs
    return from + share * (to - from)
  }
}

/** The same by real HTTP, through a proxy that does to requests what is to be done. */
export async function proxyLine(kubeconfig: string, options: LineOptions): Promise<Line> {
  const proxy = await startFaultProxy({ kubeconfig, ...options })
  const transport = httpTransport(proxy.url, async () => ({}))
  return {
    ...proxy,
    transport,
    settled: () => sleep((options.whileMs ?? [0, 500])[1]),
    async stop() {
      transport.close()
      await proxy.stop()
    },
  }
}

type Gate = {
  readonly isClosed: () => boolean
  readonly opened: () => Promise<void>
  readonly close: () => void
  readonly open: () => void
}

function openGate(): Gate {
  let closed: PromiseWithResolvers<void> | null = null
  return {
    isClosed: () => closed !== null,
    opened: () => closed?.promise ?? Promise.resolve(),
    close: () => void (closed ??= Promise.withResolvers()),
    open() {
      closed?.resolve()
      closed = null
    },
  }
}

type Life = {
  readonly isOver: () => boolean
  /** Never resolves. */
  readonly end: Promise<never>
  readonly signal: AbortSignal
  readonly finish: () => void
}

function openLife(): Life {
  const over = new AbortController()
  const end = abortion(over.signal)
  end.catch(() => {})
  return { isOver: () => over.signal.aborted, end, signal: over.signal, finish: () => over.abort(reset()) }
}

/** Never resolves; rejects with the signal's reason. */
function abortion(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason)
    else signal.addEventListener('abort', () => reject(signal.reason), { once: true })
  })
}

function leftBy({ kind }: Asked, status: number, text: string): Pick<Done, 'revision' | 'holder'> {
  if (kind !== 'write' || status >= 300) return { revision: null, holder: null }
  const { metadata, spec } = JSON.parse(text) as {
    readonly metadata?: { readonly resourceVersion?: string }
    readonly spec?: { readonly holderIdentity?: string }
  }
  return { revision: Number(metadata?.resourceVersion ?? 0) || null, holder: spec?.holderIdentity ?? null }
}

function reset(): Error {
  return Object.assign(new Error('socket hang up'), { code: 'ECONNRESET' })
}

function answerOf(code: number, reason: string): HttpResponse {
  const headers = { 'content-type': 'application/json', ...(code === 429 && { 'retry-after': '1' }) }
  return { status: code, headers, body: bodyOf(JSON.stringify(statusOf(code, reason))) }
}

async function* cut(text: string): AsyncIterable<Uint8Array> {
  yield Buffer.from(text.slice(0, text.length / 2))
  throw reset()
}
