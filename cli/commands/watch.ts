import type { Command } from '../command.ts'
import { command as status } from './status.ts'

const { watch: _, output: __, ...options } = status.options

export const command: Command = {
  summary: 'What needs attention in the cluster and what runs, drawn again and again',
  operands: ['KIND/NAME'],
  usage: 'watch [KIND | KIND/NAME]… [-n NS | -A]',
  description: 'The screen of `convoke status` every two seconds, until Ctrl-C. It takes a terminal.',
  options,
  examples: ['convoke watch', 'convoke watch -A', 'convoke watch Activation/win-back'],
  run: ({ positionals, values, io }) => status.run({ positionals, values: { ...values, watch: true }, io }),
}
