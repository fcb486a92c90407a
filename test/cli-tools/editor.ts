import { spawn } from 'node:child_process'
import { pathToFileURL } from 'node:url'
import {
  createProtocolConnection,
  type Diagnostic,
  DidChangeTextDocumentNotification,
  DidOpenTextDocumentNotification,
  ExitNotification,
  InitializedNotification,
  InitializeRequest,
  type InitializeResult,
  type Position,
  type ProtocolConnection,
  PublishDiagnosticsNotification,
  RegistrationRequest,
  ShutdownRequest,
  StreamMessageReader,
  StreamMessageWriter,
} from 'vscode-languageserver-protocol/node'

/** An editor's side of the protocol, with a server of its own process. */
export type Editor = {
  readonly close: () => Promise<void>
  readonly capabilities: InitializeResult['capabilities']
  readonly connection: ProtocolConnection
  readonly uri: (file: string) => string
  /** Opens a document; `‸` in the text is the cursor and is taken out. */
  readonly open: (
    file: string,
    text: string,
  ) => { readonly textDocument: { readonly uri: string }; readonly position: Position }
  readonly change: (file: string, text: string) => void
  /** Findings of a file as last published. */
  readonly findings: (file: string) => readonly Diagnostic[]
  /** Waits until a file's findings are published anew. */
  readonly published: (file: string) => Promise<readonly Diagnostic[]>
}

export async function startEditor(folder: string): Promise<Editor> {
  const main = new URL('../../cli/main.ts', import.meta.url).pathname
  const server = spawn(process.execPath, [main, 'lsp', '--stdio'], { cwd: folder, stdio: ['pipe', 'pipe', 'inherit'] })
  const connection = createProtocolConnection(
    new StreamMessageReader(server.stdout),
    new StreamMessageWriter(server.stdin),
  )
  const exited = new Promise((resolve) => server.once('exit', resolve))
  const uri = (file: string): string => pathToFileURL(`${folder}/${file}`).href
  const known = new Map<string, readonly Diagnostic[]>()
  const waiting = new Map<string, (diagnostics: readonly Diagnostic[]) => void>()
  connection.onNotification(PublishDiagnosticsNotification.type, ({ uri: at, diagnostics }) => {
    known.set(at, diagnostics)
    waiting.get(at)?.(diagnostics)
    waiting.delete(at)
  })
  connection.onRequest(RegistrationRequest.type, () => {})
  connection.listen()
  const { capabilities } = await connection.sendRequest(InitializeRequest.type, {
    processId: process.pid,
    rootUri: pathToFileURL(folder).href,
    workspaceFolders: [{ uri: pathToFileURL(folder).href, name: 'test' }],
    capabilities: { workspace: { didChangeWatchedFiles: { dynamicRegistration: true } } },
  })
  await connection.sendNotification(InitializedNotification.type, {})
  let version = 0
  return {
    close: async () => {
      await connection.sendRequest(ShutdownRequest.type)
      await connection.sendNotification(ExitNotification.type)
      await exited
      connection.dispose()
    },
    capabilities,
    connection,
    uri,
    open: (file, text) => {
      const offset = Math.max(0, text.indexOf('‸'))
      const before = text.slice(0, offset).split('\n')
      version += 1
      void connection.sendNotification(DidOpenTextDocumentNotification.type, {
        textDocument: { uri: uri(file), languageId: 'yaml', version, text: text.replace('‸', '') },
      })
      return {
        textDocument: { uri: uri(file) },
        position: { line: before.length - 1, character: before.at(-1)!.length },
      }
    },
    change: (file, text) => {
      version += 1
      void connection.sendNotification(DidChangeTextDocumentNotification.type, {
        textDocument: { uri: uri(file), version },
        contentChanges: [{ text }],
      })
    },
    findings: (file) => known.get(uri(file)) ?? [],
    published: (file) => new Promise((resolve) => waiting.set(uri(file), resolve)),
  }
}
