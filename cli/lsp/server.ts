import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import {
  type CodeAction,
  CodeActionKind,
  type CompletionItem,
  CompletionItemKind,
  type Connection,
  DiagnosticSeverity,
  DidChangeWatchedFilesNotification,
  type DocumentSymbol,
  ErrorCodes,
  InsertTextFormat,
  type Location,
  type Diagnostic as LspDiagnostic,
  MarkupKind,
  ResponseError,
  SymbolKind,
  TextDocumentSyncKind,
  TextDocuments,
  type TextEdit,
  type WorkspaceEdit,
} from 'vscode-languageserver/node'
import { TextDocument } from 'vscode-languageserver-textdocument'
import {
  applyFixes,
  type CompileOptions,
  type Diagnostic,
  type Fix,
  formatSource,
  nodeAt,
  type ResourceName,
  readYaml,
  type Source,
} from '#compiler'
import { kinds, writtenKinds } from '#crds'
import { type Cursor, completionAt, cursorAt, isExpression, isWritten, schemaAt } from './cursor.ts'
import { type ExpressionPlace, expressionPlace, fieldsOf, typeOfChain } from './expression.ts'
import {
  attributeRoot,
  attributesOf,
  field,
  functionsFor,
  functionText,
  resourceText,
  schemaText,
  storeOf,
  typeText,
  valuesOf,
} from './knowledge.ts'
import { kindNamedAt, type Mention, mentionsOf } from './references.ts'
import { fileOf, openWorkspace, type Position, rangeIn, uriOf, type Workspace } from './workspace.ts'

export type ServerOptions = {
  readonly version: string
  /** Settings of a folder's convoke.toml, or of the working directory's where the editor has no folder open. */
  readonly settings: (folder: string | null) => CompileOptions
}

/** Serves one editor, until the connection closes. */
export function serve(connection: Connection, { version, settings }: ServerOptions): void {
  let root: string | null = null
  const workspace = openWorkspace(() => settings(root))
  const documents = new TextDocuments(TextDocument)
  const published = new Map<string, string>()
  let isScheduled = false

  connection.onInitialize(({ workspaceFolders, rootUri }) => {
    const folders = (workspaceFolders?.map(({ uri }) => uri) ?? (rootUri ? [rootUri] : [])).map(fileOf)
    root = folders[0] ?? null
    for (const folder of folders) workspace.load(folder)
    return {
      serverInfo: { name: 'convoke', version },
      capabilities: {
        textDocumentSync: TextDocumentSyncKind.Incremental,
        hoverProvider: true,
        completionProvider: { triggerCharacters: ['.', '"', ':', ' '] },
        definitionProvider: true,
        referencesProvider: true,
        renameProvider: { prepareProvider: true },
        documentSymbolProvider: true,
        documentFormattingProvider: true,
        codeActionProvider: { codeActionKinds: [CodeActionKind.QuickFix, fixAll] },
        workspace: { workspaceFolders: { supported: true, changeNotifications: true } },
      },
    }
  })
  connection.onInitialized(() => {
    schedule()
    // An editor that cannot watch files still tells of those that it has open.
    connection.client
      .register(DidChangeWatchedFilesNotification.type, {
        watchers: [{ globPattern: '**/*.{yaml,yml,json}' }, { globPattern: '**/convoke.toml' }],
      })
      .catch(() => {})
  })
  documents.onDidChangeContent(({ document }) => {
    workspace.edit(document.uri, document.getText())
    schedule()
  })
  documents.onDidClose(({ document }) => {
    workspace.edit(document.uri, null)
    schedule()
  })
  connection.onDidChangeWatchedFiles(({ changes }) => {
    for (const { uri } of changes) workspace.load(fileOf(uri))
    schedule()
  })

  /** Changes that arrive together are checked once. */
  function schedule(): void {
    if (isScheduled) return
    isScheduled = true
    setImmediate(() => {
      isScheduled = false
      publish()
    })
  }

  function publish(): void {
    const byFile = Map.groupBy(workspace.compilation().diagnostics, ({ file }) => file)
    for (const file of new Set([...published.keys(), ...[...byFile.keys()].filter((name) => name !== null)])) {
      const diagnostics = (byFile.get(file) ?? []).map((diagnostic) => lspDiagnostic(workspace, diagnostic))
      const text = JSON.stringify(diagnostics)
      if ((published.get(file) ?? '[]') === text) continue
      if (diagnostics.length > 0) published.set(file, text)
      else published.delete(file)
      void connection.sendDiagnostics({ uri: uriOf(file), diagnostics })
    }
  }

  /** What the cursor is on, for requests about a place; null outside of our documents. */
  function at(
    uri: string,
    position: Position,
  ): { readonly source: Source; readonly offset: number; readonly cursor: Cursor | null } | null {
    const source = workspace.source(uri)
    if (!source) return null
    const offset = TextDocument.create(uri, 'yaml', 0, source.text).offsetAt(position)
    return { source, offset, cursor: cursorAt(source, offset) }
  }

  connection.onHover(({ textDocument, position }) => {
    const found = at(textDocument.uri, position)?.cursor
    const value = found && hoverText(workspace, found)
    return value ? { contents: { kind: MarkupKind.Markdown, value } } : null
  })
  connection.onCompletion(({ textDocument, position }) => {
    const place = at(textDocument.uri, position)
    const found = place && completionAt(place.source, place.offset)
    if (!place || !found) return []
    const range = rangeIn(place.source.text, found)
    return completions(workspace, found.cursor).map((item) => ({
      ...item,
      textEdit: { range, newText: item.insertText ?? item.label },
    }))
  })
  connection.onDefinition(({ textDocument, position }) => {
    const place = at(textDocument.uri, position)
    if (!place?.cursor) return null
    const named = namedAt(place.cursor)
    const mention = named && mentionsOf(workspace.sources(), named).find(({ isDefinition }) => isDefinition)
    return mention ? locationOf(mention) : attributeDefinition(workspace, place.cursor)
  })
  connection.onReferences(({ textDocument, position, context }) => {
    const place = at(textDocument.uri, position)
    const named = place?.cursor && namedAt(place.cursor)
    if (!named) return null
    return mentionsOf(workspace.sources(), named)
      .filter(({ isDefinition }) => context.includeDeclaration || !isDefinition)
      .map(locationOf)
  })
  connection.onPrepareRename(({ textDocument, position }) => {
    const place = at(textDocument.uri, position)
    const named = place?.cursor && namedAt(place.cursor)
    const own =
      named &&
      mentionsOf([place.source], named).find(({ span }) => span.start <= place.offset && place.offset <= span.end)
    return own ? { range: rangeIn(own.source.text, own.span), placeholder: named.name } : null
  })
  connection.onRenameRequest(({ textDocument, position, newName }) => {
    const place = at(textDocument.uri, position)
    const named = place?.cursor && namedAt(place.cursor)
    if (!named) return null
    if (!/^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/.test(newName) || newName.length > 253)
      return refused(
        `\`${newName}\` is not a name: lower-case letters, digits, dashes and dots, at most 253 characters.`,
      )
    const taken = mentionsOf(workspace.sources(), { ...named, name: newName }).some(({ isDefinition }) => isDefinition)
    if (taken) return refused(`There is a ${named.kind} \`${newName}\` already.`)
    const edits = mentionsOf(workspace.sources(), named).map((mention) => ({
      file: mention.source.file,
      ...mention.renamed(newName),
    }))
    return workspaceEdit(workspace, edits)
  })
  connection.onDocumentSymbol(({ textDocument }) => {
    const source = workspace.source(textDocument.uri)
    return source ? symbolsOf(source) : []
  })
  connection.onDocumentFormatting(({ textDocument }) => {
    const source = workspace.source(textDocument.uri)
    const text = source && formatSource(source)
    return source && text !== null && text !== source.text ? [wholeText(workspace, { file: source.file, text })] : []
  })
  connection.onCodeAction(({ textDocument, range }) => {
    const file = fileOf(textDocument.uri)
    const { diagnostics } = workspace.verified()
    const own = diagnostics.filter((diagnostic) => diagnostic.file === file && diagnostic.fixes.length > 0)
    const actions = own
      .filter((diagnostic) => diagnostic.span && overlap(workspace.rangeOf(file, diagnostic.span), range))
      .flatMap((diagnostic) =>
        diagnostic.fixes
          .filter(({ safety }) => safety !== 'template')
          .map((fix) => quickFix(workspace, diagnostic, fix)),
      )
    const safe = own.filter(({ fixes }) => fixes.some(({ safety }) => safety === 'safe'))
    const [changed] = applyFixes(
      workspace.sources().filter((source) => source.file === file),
      safe,
      ['safe'],
    ).changed
    if (changed)
      actions.push({
        title: `Apply ${safe.length === 1 ? 'the safe fix' : `all ${safe.length} safe fixes`} of this file`,
        kind: fixAll,
        edit: { changes: { [textDocument.uri]: [wholeText(workspace, changed)] } },
      })
    return actions
  })

  documents.listen(connection)
  connection.listen()
}

const fixAll = `${CodeActionKind.SourceFixAll}.convoke`

const severities = {
  error: DiagnosticSeverity.Error,
  warning: DiagnosticSeverity.Warning,
  info: DiagnosticSeverity.Information,
} as const

const manual = pathToFileURL(join(import.meta.dirname, '..', '..', 'docs', 'guardrails.md')).href

function lspDiagnostic(workspace: Workspace, diagnostic: Diagnostic): LspDiagnostic {
  const { code, severity, message, why, help, file, span, related } = diagnostic
  const start = { start: { line: 0, character: 0 }, end: { line: 0, character: 0 } }
  return {
    source: 'convoke',
    code,
    codeDescription: { href: `${manual}#${code}` },
    severity: severities[severity],
    message: [message, ...(why ? [why] : []), ...(help ? [help] : [])].join('\n'),
    range: file !== null && span ? workspace.rangeOf(file, span) : start,
    relatedInformation: related.flatMap((other) =>
      other.file !== null && other.span
        ? [
            {
              location: { uri: uriOf(other.file), range: workspace.rangeOf(other.file, other.span) },
              message: other.message,
            },
          ]
        : [],
    ),
  }
}

function hoverText(workspace: Workspace, cursor: Cursor): string | null {
  if (cursor.role === 'value' && isExpression(cursor.path)) return expressionHover(workspace, cursor)
  const named = namedAt(cursor)
  const resource = named && workspace.compilation().resources.find((each) => isSame(each, named))
  if (resource && cursor.path[0] !== 'metadata') return resourceText(resource)
  const store = cursor.role === 'value' ? storeOf(workspace, cursor) : null
  const root = store && attributeRoot(cursor, store.types)
  const attribute = root && attributesOf(store.types, root).find(({ path }) => path === cursor.text)
  if (attribute) return `\`${attribute.path}\`: ${typeText(attribute.type)}`
  const schema = schemaAt(cursor.kind, cursor.path)
  return schema && schemaText(String(cursor.path.findLast((part) => typeof part === 'string')), schema)
}

function expressionHover(workspace: Workspace, cursor: Cursor): string | null {
  const store = storeOf(workspace, cursor)
  const place = expressionPlace(cursor.text, cursor.offset, store?.types ?? null)
  if (place?.kind === 'segment') {
    const segment = workspace
      .compilation()
      .resources.find((each) => isSame(each, { kind: 'Segment', namespace: cursor.namespace, name: place.name }))
    return segment ? resourceText(segment) : null
  }
  if (place?.kind !== 'name') return null
  const name = place.chain.at(-1)!
  const type = typeOfChain(place.chain, place.scope)
  if (type) return `\`${place.chain.join('.')}\`: ${typeText(type)}`
  return functionText(name)
}

function completions(workspace: Workspace, cursor: Cursor): CompletionItem[] {
  if (cursor.role === 'key') return fieldItems(cursor)
  if (isExpression(cursor.path)) {
    const store = storeOf(workspace, cursor)
    return expressionItems(workspace, cursor, expressionPlace(cursor.text, cursor.offset, store?.types ?? null))
  }
  const path = cursor.path.join('.')
  if (path === 'kind') return writtenKinds.map((label) => ({ label, kind: CompletionItemKind.Class }))
  if (path === 'apiVersion') return [{ label: 'convoke.dev/v1alpha1', kind: CompletionItemKind.Constant }]
  const kind = kindNamedAt(cursor.path)
  if (kind) return resourceItems(workspace, cursor, kind)
  const store = storeOf(workspace, cursor)
  const root = store && attributeRoot(cursor, store.types)
  if (root)
    return attributesOf(store.types, root).map(({ path: label, type }) => ({
      label,
      kind: CompletionItemKind.Field,
      detail: typeText(type),
    }))
  if (cursor.kind === 'Activation' && cursor.path[1] === 'mapping' && cursor.path.at(-1) === 'target')
    return columnItems(workspace, cursor)
  const schema = schemaAt(cursor.kind, cursor.path)
  const values = valuesOf(schema ?? undefined)
  if (values) return values.map((value) => ({ label: String(value), kind: CompletionItemKind.EnumMember }))
  return schema?.['type'] === 'boolean'
    ? ['true', 'false'].map((label) => ({ label, kind: CompletionItemKind.Value }))
    : []
}

function fieldItems(cursor: Cursor): CompletionItem[] {
  const owner = cursor.path.slice(0, -1)
  if (owner.length === 0 && !isWritten(cursor.kind))
    return ['apiVersion', 'kind', 'metadata', 'spec'].map((label) => ({
      label,
      insertText: `${label}: `,
      kind: CompletionItemKind.Property,
    }))
  const schema = schemaAt(cursor.kind, owner)
  const written = field(cursor.value, ...owner)
  const required = Array.isArray(schema?.['required']) ? schema['required'] : []
  return Object.entries(schema?.properties ?? {}).flatMap(([label, property]): CompletionItem[] => {
    // A field with an empty schema is one that the API server fills in.
    const isThere = typeof written === 'object' && written !== null && Object.hasOwn(written, label)
    if (Object.keys(property).length === 0 || isThere) return []
    return [
      {
        label,
        kind: CompletionItemKind.Property,
        insertText: `${label}:${property['type'] === 'object' || property['type'] === 'array' ? '' : ' '}`,
        sortText: `${required.includes(label) ? '0' : '1'}${label}`,
        documentation: { kind: MarkupKind.Markdown, value: schemaText(label, property) },
      },
    ]
  })
}

function resourceItems(workspace: Workspace, cursor: Cursor, kind: string): CompletionItem[] {
  return workspace
    .compilation()
    .resources.filter((resource) => resource.kind === kind && resource.namespace === cursor.namespace)
    .map((resource) => ({
      label: resource.name,
      kind: CompletionItemKind.Reference,
      documentation: { kind: MarkupKind.Markdown, value: resourceText(resource) },
    }))
}

function columnItems(workspace: Workspace, cursor: Cursor): CompletionItem[] {
  const { destinations } = workspace.compilation().model
  const name = field(cursor.value, 'spec', 'destinationRef', 'name')
  const destination = destinations.find(
    ({ resource }) => resource.name === name && resource.namespace === cursor.namespace,
  )
  return (destination?.instance?.spec.targetMapping.columns ?? []).map((column) => ({
    label: column.name,
    kind: CompletionItemKind.Field,
    detail: column.type,
  }))
}

const keywords = [
  'and',
  'or',
  'not',
  'in',
  'notIn',
  'like',
  'exists',
  'forall',
  'select',
  'where',
  'from',
  'occurs',
  'before',
  'after',
  'now',
  'today',
  'let',
  'CHAIN',
  'true',
  'false',
]

function expressionItems(workspace: Workspace, cursor: Cursor, place: ExpressionPlace | null): CompletionItem[] {
  if (place === null) return []
  if (place.kind === 'segment')
    return resourceItems(workspace, cursor, 'Segment').filter(({ label }) => label !== cursor.name)
  if (place.kind === 'text')
    return place.field?.kind === 'string'
      ? (place.field.values ?? []).map((label) => ({ label, kind: CompletionItemKind.EnumMember }))
      : []
  const { owner, scope, chain } = place
  const fields = [...(chain.length > 1 ? fieldsOf(owner) : new Map([...scope.fields, ...scope.variables]))]
  return [
    ...fields.map(([label, type]) => ({
      label,
      kind: CompletionItemKind.Field,
      detail: typeText(type),
      sortText: `0${label}`,
    })),
    ...(chain.length > 1 && owner === null ? [] : functionsFor(chain.length > 1 ? owner : null)).map(
      ({ name, entry }) => ({
        label: name,
        kind: entry.form === 'method' ? CompletionItemKind.Method : CompletionItemKind.Function,
        detail: entry.signature,
        documentation: { kind: MarkupKind.Markdown, value: functionText(name) ?? '' },
        insertText: `${name}($0)`,
        insertTextFormat: InsertTextFormat.Snippet,
        sortText: `1${name}`,
      }),
    ),
    ...(chain.length > 1
      ? []
      : keywords.map((label) => ({ label, kind: CompletionItemKind.Keyword, sortText: `2${label}` }))),
  ]
}

/** The resource whose name the cursor is on: its own name, a reference, or one in `inSegment`; null: none. */
function namedAt(cursor: Cursor): ResourceName | null {
  if (cursor.role !== 'value') return null
  const { namespace } = cursor
  if (cursor.path.join('.') === 'metadata.name') return { kind: cursor.kind, namespace, name: cursor.text }
  const kind = kindNamedAt(cursor.path)
  if (kind) return { kind, namespace, name: cursor.text }
  if (!isExpression(cursor.path)) return null
  const place = expressionPlace(cursor.text, cursor.offset, null)
  return place?.kind === 'segment' ? { kind: 'Segment', namespace, name: place.name } : null
}

/** The property in the union schema for a path in an expression or a mapping. */
function attributeDefinition(workspace: Workspace, cursor: Cursor): Location | null {
  const store = storeOf(workspace, cursor)
  if (!store?.resource.origin || cursor.role !== 'value') return null
  let root: 'profile' | 'event' | null
  let names: readonly string[]
  if (isExpression(cursor.path)) {
    const place = expressionPlace(cursor.text, cursor.offset, store.types)
    if (place?.kind !== 'name') return null
    const [first] = place.chain
    const isEvent =
      place.scope.fields.get(first!) !== store.types.profile.fields.get(first!) || place.scope.variables.has(first!)
    root = isEvent ? 'event' : 'profile'
    names = place.scope.variables.has(first!) || first === 'xEvent' ? place.chain.slice(1) : place.chain
  } else {
    root = attributeRoot(cursor, store.types)
    names = cursor.text.split('.')
  }
  if (root === null) return null
  const { source, node } = store.resource.origin
  const path = ['spec', 'schema', root, ...names.flatMap((name) => ['properties', name])]
  const found = nodeAt(node, path)
  return found?.key ? { uri: uriOf(source.file), range: rangeIn(source.text, found.key) } : null
}

function symbolsOf(source: Source): DocumentSymbol[] {
  return readYaml(source.text).documents.flatMap((document): DocumentSymbol[] => {
    const name = nodeAt(document, ['metadata', 'name'])?.value
    const kind = nodeAt(document, ['kind'])?.value
    if (name?.kind !== 'scalar' || kind?.kind !== 'scalar') return []
    return [
      {
        name: String(name.value),
        detail: String(kind.value),
        kind: String(kind.value) in kinds ? SymbolKind.Class : SymbolKind.Object,
        range: rangeIn(source.text, document),
        selectionRange: rangeIn(source.text, name),
      },
    ]
  })
}

function quickFix(workspace: Workspace, diagnostic: Diagnostic, fix: Fix): CodeAction {
  return {
    title: fix.title,
    kind: CodeActionKind.QuickFix,
    diagnostics: [lspDiagnostic(workspace, diagnostic)],
    isPreferred: fix.safety === 'safe',
    edit: workspaceEdit(workspace, fix.edits),
  }
}

function workspaceEdit(
  workspace: Workspace,
  edits: readonly { readonly file: string; readonly start: number; readonly end: number; readonly text: string }[],
): WorkspaceEdit {
  const changes: { [uri: string]: TextEdit[] } = {}
  for (const { file, text, ...span } of edits)
    (changes[uriOf(file)] ??= []).push({ range: workspace.rangeOf(file, span), newText: text })
  return { changes }
}

function wholeText(workspace: Workspace, changed: Source): TextEdit {
  const before = workspace.source(uriOf(changed.file))?.text ?? ''
  return { range: rangeIn(before, { start: 0, end: before.length }), newText: changed.text }
}

function locationOf({ source, span }: Mention): Location {
  return { uri: uriOf(source.file), range: rangeIn(source.text, span) }
}

function overlap(
  a: { readonly start: Position; readonly end: Position },
  b: { readonly start: Position; readonly end: Position },
): boolean {
  const before = (x: Position, y: Position): boolean =>
    x.line < y.line || (x.line === y.line && x.character <= y.character)
  return before(a.start, b.end) && before(b.start, a.end)
}

function isSame(a: ResourceName, b: ResourceName): boolean {
  return a.kind === b.kind && a.namespace === b.namespace && a.name === b.name
}

function refused(message: string): ResponseError {
  return new ResponseError(ErrorCodes.InvalidParams, message)
}
