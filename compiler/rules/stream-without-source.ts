import type { Rule } from './rule.ts'

export const streamWithoutSource: Rule = {
  severity: 'warning',
  page: {
    title: 'A Streaming Segment gets no streaming data',
    checks:
      'Whether the ProfileStore of a Segment with `evaluation: Streaming` has a Dataset with `ingestion: Streaming`.',
    why: 'What comes in by batch is evaluated once a day, for Streaming Segments too: nothing happens in between.',
    source: 'Segmentation Service, streaming segmentation',
    bad: `
kind: Dataset
metadata: { name: till-receipts }
spec:
  ingestion: Batch
`,
    good: `
kind: Dataset
metadata: { name: till-receipts }
spec:
  ingestion: Streaming
`,
  },
  check: {
    Segment(resource, { model, isWhole, report }) {
      if (resource.spec.evaluation !== 'Streaming') return
      const { relations } = model
      const segment = relations.segment(resource)
      if (!segment?.store || relations.reasonsAgainstStreaming(segment).length > 0) return
      const datasets = relations.datasetsOfStore(segment.store)
      // A Dataset whose store's name is misspelt may be the source.
      if (!isWhole('Dataset') || model.datasets.some((dataset) => dataset.store === null)) return
      if (datasets.some((dataset) => dataset.spec.ingestion === 'Streaming')) return
      report({
        path: ['spec', 'evaluation'],
        message: `\`${resource.name}\` is Streaming, but no Dataset of \`${segment.store.resource.name}\` is`,
        help: 'Set `ingestion: Streaming` on a Dataset whose files come all day, or `evaluation: Batch` here.',
        related: datasets
          .slice(0, 3)
          .map((dataset) => ({ resource: dataset, path: ['spec', 'ingestion'], message: 'is read once a day' })),
      })
    },
  },
}
