// The whole operator as a process that may be killed, and comes back as a Deployment's Pod does.
import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Clock, realClock } from '../../operator/kernel/clock.ts'
import { type Operator, startOperator } from '../../operator/start.ts'
import type { LogLine } from '../../operator/surroundings.ts'
import { type MovableClock, plainJobs } from './harness.ts'
import type { Line } from './line.ts'

/** Time that runs so many times as fast as the real one, by turns, from the real instant on, and that may be moved. */
export function fastClock(speed: () => number): MovableClock {
  const startedMs = Date.now()
  let [elapsedMs, readMs] = [0, performance.now()]
  let offsetMs = 0
  const elapsed = (): number => {
    const realMs = performance.now()
    elapsedMs += (realMs - readMs) * speed()
    readMs = realMs
    return elapsedMs
  }
  const now = (): number => Math.floor(startedMs + elapsed() + offsetMs)
  return {
    now,
    elapsed,
    after(milliseconds, callback) {
      const dueMs = elapsed() + milliseconds
      let cancel = realClock.after(milliseconds / speed(), wake)
      return () => cancel()

      function wake(): void {
        const leftMs = dueMs - elapsed()
        if (leftMs <= 0) callback()
        else cancel = realClock.after(leftMs / speed(), wake)
      }
    },
    move: (milliseconds) => void (offsetMs += milliseconds),
    set: (instant) => void (offsetMs += Date.parse(instant) - now()),
  }
}

/** The same, whose timers ring late when it was stopped meanwhile, as those of a process do after SIGSTOP. */
export function stoppable(clock: Clock): Clock & { readonly stop: () => void; readonly goOn: () => void } {
  let rung: Set<() => void> | null = null
  return {
    ...clock,
    after(milliseconds, callback) {
      const cancel = clock.after(milliseconds, () => {
        if (rung === null) callback()
        else rung.add(callback)
      })
      return () => {
        cancel()
        rung?.delete(callback)
      }
    },
    stop: () => void (rung ??= new Set()),
    goOn() {
      const late = rung ?? new Set()
      rung = null
      for (const callback of late) callback()
    },
  }
}

export type Replica = {
  readonly log: readonly LogLine[]
  readonly isLeading: () => boolean
  /** Resolves when its copies are whole. */
  readonly synced: () => Promise<void>
  /** How often it was started. */
  readonly starts: () => number
  /** As by SIGKILL: its line is dead. Nothing is started until `revive`. */
  readonly kill: () => Promise<void>
  readonly revive: () => Promise<void>
  /** As by SIGTERM. */
  readonly stop: () => Promise<void>
}

export type ReplicaOptions = {
  readonly line: Line
  readonly clock: Clock
  /** The first is its own. */
  readonly namespaces: readonly [string, ...string[]]
  /** Whether it has to be elected, by a Lease in its namespace. */
  readonly stands: boolean
}

/** What ends by itself is started again at once. */
export async function startReplica({ line, clock, namespaces, stands }: ReplicaOptions): Promise<Replica> {
  const log: LogLine[] = []
  let starts = 0
  let wanted = true
  let operator = await start()
  return {
    log,
    isLeading: () => operator.isLeading(),
    async synced() {
      while ((await fetch(`http://127.0.0.1:${operator.healthPort}/readyz`)).status !== 200) await sleep(20)
    },
    starts: () => starts,
    async kill() {
      wanted = false
      line.die()
      operator.crash(new Error('killed'))
      await operator.ended
    },
    async revive() {
      // Without a Lease nothing else keeps what the one before has sent from what this one does.
      if (!stands) await line.settled()
      line.revive()
      wanted = true
      operator = await start()
    },
    async stop() {
      wanted = false
      operator.stop()
      await operator.ended
    },
  }

  async function start(): Promise<Operator> {
    starts += 1
    const identity = randomUUID()
    const started = await startOperator(
      { clock, transport: line.transport, random: Math.random, log: (entry) => log.push(entry) },
      {
        lease: stands ? { namespace: namespaces[0], name: 'convoke-operator', identity } : null,
        instance: identity,
        namespaces,
        shard: null,
        concurrency: 16,
        jobs: plainJobs,
        healthPort: 0,
        metricsPort: 0,
        webhook: null,
      },
    )
    void started.ended.then(async (how) => {
      if (!wanted) return
      log.push({ level: 'info', message: `ended: ${how.kind}` })
      await sleep(20)
      if (wanted) operator = await start()
    })
    return started
  }
}
