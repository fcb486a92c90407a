import { UsageError } from './command.ts'

/** `INSTANCE=URL` options, as a map. */
export function databasesOf(options: readonly string[]): Map<string, string> {
  return new Map(
    options.map((option) => {
      const [, instance, url] = /^([^=]+)=(postgres(?:ql)?:\/\/.+)$/.exec(option) ?? []
      if (!instance || !url)
        throw new UsageError(
          `--database takes INSTANCE=URL, for example production=postgres://user:password@localhost/campaign, not \`${option}\`.`,
        )
      return [instance, url]
    }),
  )
}
