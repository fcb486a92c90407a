import type { Diagnostic } from '../diagnostic.ts'
import type { Source } from '../resource.ts'
import { renderText } from './text.ts'

/**
 * The document of `convoke check -o junit`: a test case for each file. A file fails with the findings that count; its other findings are
 * its output.
 */
export function junitDocument(
  diagnostics: readonly Diagnostic[],
  sources: readonly Source[],
  counts: (diagnostic: Diagnostic) => boolean,
): string {
  const byFile = Map.groupBy(diagnostics, (diagnostic) => diagnostic.file ?? 'resources')
  const files = [...new Set([...sources.map((source) => source.file), ...byFile.keys()])].sort()
  const cases = files.map((file) => {
    const found = byFile.get(file) ?? []
    const text = (of: readonly Diagnostic[]): string => renderText(of, sources, { colour: false, width: 120 })
    const [failed, passed] = [found.filter(counts), found.filter((diagnostic) => !counts(diagnostic))]
    const inside = [
      ...(failed.length > 0
        ? [
            `    <failure message="${escaped(`${failed[0]!.message}${failed.length > 1 ? ` (and ${failed.length - 1} more)` : ''}`)}" type="${escaped(failed[0]!.code)}">${escaped(text(failed))}</failure>`,
          ]
        : []),
      ...(passed.length > 0 ? [`    <system-out>${escaped(text(passed))}</system-out>`] : []),
    ]
    const head = `  <testcase classname="convoke.check" name="${escaped(file)}"`
    return {
      failed: failed.length > 0,
      xml: inside.length > 0 ? [`${head}>`, ...inside, '  </testcase>'].join('\n') : `${head}/>`,
    }
  })
  const failures = cases.filter((each) => each.failed).length
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuites tests="${cases.length}" failures="${failures}" errors="0">`,
    ` <testsuite name="convoke check" tests="${cases.length}" failures="${failures}" errors="0" skipped="0">`,
    ...cases.map((each) => each.xml),
    ' </testsuite>',
    '</testsuites>',
    '',
  ].join('\n')
}

const entities: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' }

/** XML 1.0 allows no other control characters, not even escaped; a line break in an attribute would be read as a space. */
export function escaped(text: string): string {
  return text
    .replace(
      /[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g,
      '\ufffd',
    )
    .replace(/[&<>"]/g, (character) => entities[character]!)
}
