import type { CampaignOverview, CampaignRow, waitingRows } from '#jobs'
import { count, counted } from '#views'
import { table } from './table.ts'

type Shown = { readonly key: readonly string[]; readonly columns: readonly string[] }

/** What a database holds, in a few lines. */
export function campaignText({ table: name, recipients, key, lists, waiting, files }: CampaignOverview): string {
  const parts = [`${name}: ${counted(recipients, 'recipient')}, known by ${key.join(', ')}`]
  if (lists.length > 0)
    parts.push(
      table(
        ['list', 'recipients', 'changed'],
        lists.map(({ segment, members, changedAt }) => [segment, members, timeText(changedAt)]),
      ),
    )
  else parts.push('No list yet.')
  if (waiting.length > 0)
    parts.push(
      table(
        ['waits for its recipient', 'rows', 'why'],
        waiting.map(({ segment, rows, reason }) => [segment, rows, reason]),
      ),
    )
  const [newest] = files
  if (newest)
    parts.push(
      `${counted(files.length, 'file')} imported; the newest is ${newest.file}, ${counted(newest.rows, 'row')}`,
    )
  return parts.join('\n\n')
}

export function listText(
  { segment, members }: CampaignOverview['lists'][number],
  rows: readonly CampaignRow[],
  { key, columns }: Shown,
): string {
  const more = members > rows.length ? `, of whom ${count(rows.length)} are shown` : ''
  return `${table(
    [...key, ...columns],
    rows.map(({ key: own, values }) => [...own, ...values]),
  )}\n\n${counted(members, 'recipient')} on the list of ${segment}${more}`
}

export function recipientText(
  rows: readonly (CampaignRow & { readonly lists: readonly string[] })[],
  { key, columns }: Shown,
): string {
  const [first] = rows
  return `${table(
    [...key, ...columns],
    rows.map(({ key: own, values }) => [...own, ...values]),
  )}\n\n${first!.lists.length === 0 ? 'On no list.' : `On the lists of ${first!.lists.join(', ')}.`}`
}

export function rejectsText(
  waiting: Awaited<ReturnType<typeof waitingRows>>,
  rejected: readonly { readonly file: string; readonly reasons: Readonly<Record<string, number>> }[],
  { key }: Pick<CampaignOverview, 'key'>,
): string {
  const parts: string[] = []
  if (waiting.length > 0)
    parts.push(
      table(
        [key.join(', '), 'Segment', 'waits since', 'why'],
        waiting.map((row) => [row.key.join(', '), row.segment, timeText(row.since), row.reason]),
      ),
    )
  const rows = rejected.flatMap(({ file, reasons }) =>
    Object.entries(reasons).map(([reason, number]) => [file, number, reason]),
  )
  if (rows.length > 0) parts.push(table(['file', 'rows', 'why'], rows))
  return parts.length === 0 ? 'Nothing waits, and nothing was rejected.' : parts.join('\n\n')
}

function timeText(instant: string | null): string {
  return instant === null ? '' : instant.slice(0, 16).replace('T', ' ')
}
