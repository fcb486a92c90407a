import { visible } from '#compiler'
import { count } from '#views'
import { fitted, padded, widthOf } from './paint.ts'

/** Numbers with a bar each, on one scale from zero; labels are cut where the terminal is too narrow. */
export function barRows(rows: readonly { readonly label: string; readonly value: number }[], columns: number): string {
  const most = Math.max(1, ...rows.map(({ value }) => value))
  const numbers = rows.map(({ value }) => count(value))
  const numberWidth = Math.max(...numbers.map((number) => number.length))
  const room = Math.max(40, columns) - numberWidth - 4
  const barWidth = Math.min(30, Math.floor(room / 3))
  const labels = rows.map(({ label }) => fitted(visible(label), room - barWidth))
  const labelWidth = Math.max(...labels.map(widthOf))
  return rows
    .map(({ value }, index) => {
      const length = value === 0 ? 0 : Math.max(1, Math.round((barWidth * value) / most))
      const bar = '█'.repeat(length)
      return `${padded(labels[index]!, labelWidth)}  ${padded(numbers[index]!, numberWidth, 'right')}  ${bar}`.trimEnd()
    })
    .join('\n')
}
