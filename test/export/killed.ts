import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

/** Runs a step in a process of its own and kills it after some milliseconds of work, null: lets it end. Resolves to whether it ended by itself. */
export async function runInChild(argument: object, killAfterMs: number | null): Promise<boolean> {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'run-step.ts'), JSON.stringify(argument)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const ended = new Promise<boolean>((done) => child.once('close', (code) => done(code === 0)))
  await new Promise((started) => child.stdout.once('data', started))
  child.stdout.resume()
  if (killAfterMs !== null) {
    await Promise.race([sleep(killAfterMs), ended])
    child.kill('SIGKILL')
  }
  return ended
}
