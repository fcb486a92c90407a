import { codes, explain, measured, nearest } from '#compiler'
import { type Command, exitCodes, UsageError } from '../command.ts'

export const command: Command = {
  summary: "A finding's page: what is checked, why, and how to write it instead",
  operands: ['CODE', 'NOTHING'],
  usage: 'explain CODE',
  options: {},
  examples: ['convoke explain too-many-segments', 'convoke explain not-streamable'],
  run: async ({ positionals, io }) => {
    const [given] = positionals
    const all = [...codes, ...measuredCodes]
    if (given === undefined) throw new UsageError(`Name a code: ${all.join(', ')}.`)
    const code = all.find((each) => each === given)
    if (!code)
      throw new UsageError(
        `There is no code \`${given}\`.${nearest(given, all)[0] ? ` Did you mean \`${nearest(given, all)[0]}\`?` : ` Codes are ${all.join(', ')}.`}`,
      )
    io.out(`${explain(code)}\n`)
    return exitCodes.fine
  },
}

const measuredCodes = Object.keys(measured) as (keyof typeof measured)[]
