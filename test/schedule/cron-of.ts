import { type Cron, parseCron } from '../../compiler/schedule/index.ts'

export function cronOf(text: string): Cron {
  const cron = parseCron(text)
  if (Array.isArray(cron)) throw new Error(`${text}: ${cron.map((fault) => fault.message).join(' ')}`)
  return cron
}
