import { parseDurationSeconds } from '#crds'
import { durationText } from '../effective-latency.ts'
import type { Rule } from './rule.ts'

export const streamingTooFrequent: Rule = {
  severity: 'error',
  page: {
    title: 'Streaming Segments are evaluated too often',
    checks: '`evaluation.streaming.every` of a ProfileStore: at least 5 minutes.',
    why: 'Experience Platform needs about five minutes until a streamed event shows in a membership.',
    source: 'Real-Time CDP with Adobe Campaign v8 integration pattern, guardrails',
    bad: `
kind: ProfileStore
metadata: { name: readers }
spec:
  evaluation:
    streaming: { every: 1m }
`,
    good: `
kind: ProfileStore
metadata: { name: readers }
spec:
  evaluation:
    streaming: { every: 5m }
`,
  },
  check: {
    ProfileStore(store, { report }) {
      const { every } = store.spec.evaluation.streaming ?? {}
      const seconds = every === undefined ? null : parseDurationSeconds(every)
      if (!seconds || seconds >= 5 * 60) return
      report({
        path: ['spec', 'evaluation', 'streaming', 'every'],
        message: `Every ${durationText(seconds)} is too often; streaming evaluation runs every 5m at most`,
        help: 'Write `every: 5m` or more.',
        fixes: [
          {
            title: 'Replace with `5m`',
            safety: 'review',
            path: ['spec', 'evaluation', 'streaming', 'every'],
            value: '5m',
          },
        ],
      })
    },
  },
}
