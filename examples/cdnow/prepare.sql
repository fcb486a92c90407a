-- From CDNOW_master.txt, as the package has it, to the files that the Datasets and Campaign's recipients are read from.
-- Relative names are read from the package's folder and written to the volumes' folder: see examples/fetch.ts.

-- Fixed width in spirit: customer, day, number of CDs, dollars, one or more blanks between, CRLF at the end.
CREATE TEMP TABLE purchases AS
SELECT
  field[1] AS customer,
  strptime(field[2], '%Y%m%d') AS day,
  field[3]::INTEGER AS discs,
  field[4]::DOUBLE AS dollars
FROM (
  SELECT regexp_extract_all(line, '[0-9.]+') AS field
  FROM (SELECT unnest(string_split(content, chr(10))) AS line FROM read_text('CDNOW_master.txt'))
)
WHERE len(field) = 4;

-- The data knows a customer by number alone; the address is made from it.
CREATE TEMP TABLE customers AS
SELECT customer AS customer_id, 'customer' || customer || '@example.test' AS email, min(day) AS first_day
FROM purchases
GROUP BY customer;

COPY (
  SELECT customer_id, email, first_day::DATE AS customer_since, strftime(first_day, '%Y-%m-%dT%H:%M:%SZ') AS updated_at
  FROM customers
  ORDER BY customer_id
) TO 'landing/customers/customers.csv' (FORMAT csv);

-- The day is all that is known of a purchase's time: it counts as made at its first instant, UTC.
COPY (
  SELECT
    customer,
    'purchase' AS type,
    strftime(day, '%Y-%m-%dT%H:%M:%SZ') AS "at",
    struct_pack(total := dollars, discs := discs) AS "order"
  FROM purchases
  ORDER BY day, customer, discs, dollars
) TO 'landing/purchases/purchases.ndjson' (FORMAT json);

-- Every twenty-fifth customer is not in Campaign, on purpose: the import must reject those rows and create nobody.
COPY (
  SELECT customer_id AS external_id, email, NULL AS customer_since, customer_id::INTEGER % 40 = 0 AS blacklist_email
  FROM customers
  WHERE customer_id::INTEGER % 25 <> 13
  ORDER BY customer_id
) TO 'campaign/production/recipients.csv' (FORMAT csv);
