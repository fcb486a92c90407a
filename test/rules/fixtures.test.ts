import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { compile, compileObjects } from '../../compiler/compile.ts'
import type { Diagnostic, Fix } from '../../compiler/diagnostic.ts'
import type { Source } from '../../compiler/resource.ts'
import { readYaml, valueOf } from '../../compiler/yaml/index.ts'
import { caseFile, overlay } from '../support/bundle.ts'

// Cases are Markdown: `## title`, a block of documents laid over the example bundle, and `# error: code` on each offending line.

type Case = { readonly title: string; readonly source: string; readonly expected: readonly string[] }

for (const file of readdirSync(import.meta.dirname).filter((name) => name.endsWith('.md'))) {
  describe(file.replace('.md', ''), () => {
    const cases = casesOf(readFileSync(new URL(file, import.meta.url), 'utf8'))

    test('has cases of both kinds', () => {
      expect(cases.some(({ expected }) => expected.some((one) => one.endsWith(` ${file.replace('.md', '')}`)))).toBe(
        true,
      )
      expect(cases.some(({ expected }) => expected.length === 0)).toBe(true)
    })

    test.each(cases)('$title', ({ source, expected }) => {
      const sources = overlay(source)
      const { diagnostics } = compile(sources)
      expect(placed(diagnostics, sources).join('\n')).toBe(expected.join('\n'))

      for (const { message, help, why } of diagnostics) {
        expect(message).not.toMatch(/\.$/)
        expect(message.length).toBeLessThanOrEqual(120)
        expect(help).toMatch(/[.?)`]$/)
        if (why) expect(why).toMatch(/\.$/)
      }
      expect(compile([...sources].reverse()).diagnostics).toEqual(diagnostics)
      const files = sources.map(({ text }) => readYaml(text))
      if (
        files.every(({ faults, documents }) => faults.length === 0 && documents.every(({ kind }) => kind === 'map'))
      ) {
        const objects = files.flatMap(({ documents }) => documents.map(valueOf))
        expect(codesOf(compileObjects(objects).diagnostics)).toEqual(codesOf(diagnostics))
      }
      for (const diagnostic of diagnostics)
        for (const fix of diagnostic.fixes) expectRepaired(sources, diagnostics, diagnostic, fix)
    })
  })
}

function casesOf(markdown: string): readonly Case[] {
  return [...markdown.matchAll(/^## (.+)\n+```yaml\n([\s\S]*?)```/gm)].map(([, title = '', source = '']) => ({
    title,
    source,
    expected: source
      .split('\n')
      .flatMap((line, index) =>
        [...line.matchAll(/# (error|warning): ([\w-]+)/g)].map(
          ([, severity, code]) => `${index + 1}: ${severity} ${code}`,
        ),
      )
      .sort(),
  }))
}

/** Line, severity and code of each; what a repeated document gets is told once. */
function placed(diagnostics: readonly Diagnostic[], sources: readonly Source[]): readonly string[] {
  const texts = new Map(sources.map(({ file, text }) => [file, text]))
  const found = diagnostics.map(({ file, span, severity, code }) => {
    const line = (texts.get(file ?? '') ?? '').slice(0, span?.start ?? 0).split('\n').length
    return { file, text: `${file?.startsWith(caseFile) ? '' : `${file} `}${line}: ${severity} ${code}` }
  })
  const numbered = found.map(({ file, text }, index) => ({
    text,
    count: found.slice(0, index).filter((other) => other.file === file && other.text === text).length,
  }))
  return [...new Map(numbered.map(({ text, count }) => [`${text}#${count}`, text])).values()].sort()
}

function codesOf(diagnostics: readonly Diagnostic[]): readonly string[] {
  return diagnostics
    .map(({ code, severity, resource, path }) => `${code} ${severity} ${resource?.kind} ${resource?.name} ${path}`)
    .sort()
}

/** A fix takes its finding away; one that is safe brings no other. */
function expectRepaired(
  sources: readonly Source[],
  before: readonly Diagnostic[],
  diagnostic: Diagnostic,
  fix: Fix,
): void {
  const after = compile(sources.map((source) => applied(source, fix))).diagnostics
  const sameKind = (all: readonly Diagnostic[]): number =>
    all.filter(({ code, message }) => code === diagnostic.code && message === diagnostic.message).length
  expect(sameKind(after), fix.title).toBeLessThan(sameKind(before))
  if (fix.safety === 'safe') expect(after.length, fix.title).toBeLessThan(before.length)
}

function applied(source: Source, fix: Fix): Source {
  const edits = fix.edits.filter(({ file }) => file === source.file).sort((a, b) => b.start - a.start)
  return {
    ...source,
    text: edits.reduce(
      (text, { start, end, text: replacement }) => text.slice(0, start) + replacement + text.slice(end),
      source.text,
    ),
  }
}
