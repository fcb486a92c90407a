import { type Command, exitCodes } from '../command.ts'
import { readConfig } from '../sources.ts'
import { version } from '../version.ts'

export const command: Command = {
  summary: 'Language server: findings, completion, hover, definitions, renaming in an editor',
  usage: 'lsp [--stdio]',
  description:
    'Speaks the Language Server Protocol over standard input and output, for any editor that does; docs/editors.md shows how to set some up.',
  options: { stdio: { type: 'boolean', help: 'as editors pass it; there is no other way' } },
  examples: ['convoke lsp --stdio'],
  run: async ({ io }) => {
    const { createConnection } = await import('vscode-languageserver/node')
    const { serve } = await import('../lsp/server.ts')
    const connection = createConnection(process.stdin, process.stdout)
    const closed = new Promise<number>((resolve) => {
      connection.onExit(() => resolve(exitCodes.fine))
      process.stdin.once('end', () => resolve(exitCodes.fine))
    })
    serve(connection, {
      version: version(),
      settings: (folder) => {
        try {
          return readConfig({ ...io, cwd: folder ?? io.cwd }).options
        } catch (error) {
          // `check` reports a wrong setting once; an editor goes on without it.
          connection.console.warn(error instanceof Error ? error.message : String(error))
          return {}
        }
      },
    })
    return closed
  },
}
