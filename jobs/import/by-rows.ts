import { text } from '../postgres/connection.ts'
import { surroundingStates } from '../postgres/faults.ts'

/** How many rows are tried together, and how many of a part that failed, before each row is tried by itself. */
const rangeRows = [500, 25]

export type RowWork = {
  /** The table whose rows are worked on; its column `number` has an index. */
  readonly rows: string
  /** The statement for the rows that a condition on `number` chooses. */
  readonly range: (condition: string) => string
  /** The statement for a single row, without what `done` catches up on: thousands of these are run. */
  readonly single: (condition: string) => string
  /**
   * The statement for the row `convoke_one` that the database refused; the reason is in `convoke_said`, its SQLSTATE in `convoke_state`.
   */
  readonly refuse: string
  /** Which refused rows get a second attempt after all have been tried, and what makes them fit for it. */
  readonly again?: { readonly where: string; readonly prepare: string }
  /** The statement at the end for the numbers (an array) of single rows that changed something. */
  readonly done?: (numbers: string) => string
}

/**
 * SQL that does the work in ranges of rows. The rows of a range that fails are done one by one, each in a subtransaction: the cost grows
 * with the number of rows, however many are refused. A fault of the surroundings ends it.
 */
export function byRowsSql({ rows, range, single, refuse, again, done }: RowWork): string {
  const refused = (otherwise: string) => `EXCEPTION WHEN OTHERS THEN
      IF SQLSTATE ~ '${surroundingStates}' THEN RAISE; END IF;
      ${otherwise}`
  const one = `${single('= convoke_one')}; GET DIAGNOSTICS convoke_changed = ROW_COUNT;
    IF convoke_changed > 0 THEN convoke_done := array_append(convoke_done, convoke_one); END IF;`
  const eachOf = (
    rowsOfRange: string,
  ) => `FOR convoke_one IN SELECT number FROM ${rows} WHERE number ${rowsOfRange} ORDER BY number LOOP
      BEGIN
        ${one}
      ${refused(`convoke_said := SQLERRM; convoke_state := SQLSTATE; ${refuse};`)}
      END;
    END LOOP;`
  // A range is planned with its bounds; the statement for one row is planned once.
  const rangesOf = (level: number, from: string, to: string): string => {
    const size = rangeRows[level]!
    const [low, high] = [`convoke_low${level}`, `convoke_low${level} + ${size - 1}`]
    const smaller = level + 1 < rangeRows.length ? rangesOf(level + 1, low, high) : eachOf(`BETWEEN ${low} AND ${high}`)
    return `FOR ${low} IN SELECT generate_series(${from}, ${to}, ${size}) LOOP
      BEGIN
        EXECUTE ${text(range('BETWEEN $1 AND $2'))} USING ${low}, ${high};
      ${refused(smaller)}
      END;
    END LOOP;`
  }
  return `DO ${text(`DECLARE
    ${rangeRows.map((_, level) => `convoke_low${level} bigint;`).join(' ')} convoke_first bigint; convoke_last bigint;
    convoke_one bigint; convoke_said text; convoke_state text; convoke_changed bigint; convoke_done bigint[] := '{}';
  BEGIN
    SELECT min(number), max(number) INTO convoke_first, convoke_last FROM ${rows};
    ${rangesOf(0, 'convoke_first', 'convoke_last')}
    ${
      again
        ? `FOR convoke_one IN SELECT number FROM ${rows} WHERE ${again.where} ORDER BY number LOOP
      BEGIN
        ${again.prepare}; ${one}
      ${refused('NULL;')}
      END;
    END LOOP;`
        : ''
    }
    ${done ? `${done('convoke_done')};` : ''}
  END`)}`
}
