import { text } from '../postgres/connection.ts'
import { surroundingStates } from '../postgres/faults.ts'

/** Rows that are tried together before each is tried by itself. */
const rangeRows = 500

export type RowWork = {
  /** Table whose rows are worked on; its column `number` has an index. */
  readonly rows: string
  /** A statement over the rows with `number BETWEEN low AND high`. */
  readonly statement: (low: string, high: string) => string
  /** What becomes of the row `convoke_one` that the database refused, in words (`convoke_said`) and as SQLSTATE (`convoke_state`). */
  readonly refuse: string
  /** Refused rows that are worth a second attempt when all have been tried, and what makes them fit for it. */
  readonly again?: { readonly where: string; readonly prepare: string }
}

/**
 * SQL that does the work in ranges of rows, and the rows of a range that fails one by one, each in a subtransaction: what it costs grows
 * with the rows, however many of them are refused. A fault of the surroundings ends it.
 */
export function byRowsSql({ rows, statement, refuse, again }: RowWork): string {
  const refused = (otherwise: string) => `EXCEPTION WHEN OTHERS THEN
      IF SQLSTATE ~ '${surroundingStates}' THEN RAISE; END IF;
      ${otherwise}`
  const one = statement('convoke_one', 'convoke_one')
  // A range is planned for what it is; the statement for one row is planned once.
  return `DO ${text(`DECLARE convoke_low bigint; convoke_one bigint; convoke_said text; convoke_state text;
  BEGIN
    FOR convoke_low IN SELECT generate_series(min(number), max(number), ${rangeRows}) FROM ${rows} LOOP
      BEGIN
        EXECUTE ${text(statement('$1', '$2'))} USING convoke_low, convoke_low + ${rangeRows - 1};
      ${refused(`FOR convoke_one IN SELECT number FROM ${rows} WHERE number BETWEEN convoke_low AND convoke_low + ${rangeRows - 1} ORDER BY number LOOP
          BEGIN
            ${one};
          ${refused(`convoke_said := SQLERRM; convoke_state := SQLSTATE; ${refuse};`)}
          END;
        END LOOP;`)}
      END;
    END LOOP;
    ${
      again
        ? `FOR convoke_one IN SELECT number FROM ${rows} WHERE ${again.where} ORDER BY number LOOP
      BEGIN
        ${again.prepare}; ${one};
      ${refused('NULL;')}
      END;
    END LOOP;`
        : ''
    }
  END`)}`
}
