import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { explain } from '../../compiler/explain.ts'
import { documents } from '../../docs/generate.ts'

test.each(['docs/guardrails.md', 'docs/adobe-guardrails.md'])('%s is as the rules say', (path) => {
  expect(readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8')).toBe(documents()[path])
})

test('a page says what is checked, why, where the limit comes from, and how to write it instead', () => {
  expect(explain('streaming-too-frequent')).toMatchInlineSnapshot(`
    "# streaming-too-frequent

    Streaming Segments are evaluated too often. An error.

    ## What is checked

    \`evaluation.streaming.every\` of a ProfileStore: at least 5 minutes.

    ## Why

    Experience Platform needs about five minutes until a streamed event shows in a membership.

    Source: Real-Time CDP with Adobe Campaign v8 integration pattern, guardrails.

    ## Not like this

    \`\`\`yaml
    kind: ProfileStore
    metadata: { name: readers }
    spec:
      evaluation:
        streaming: { every: 1m }
    \`\`\`

    ## But like this

    \`\`\`yaml
    kind: ProfileStore
    metadata: { name: readers }
    spec:
      evaluation:
        streaming: { every: 5m }
    \`\`\`

    Fields that the examples leave out are those of a bundle that is otherwise in order."
  `)
})
