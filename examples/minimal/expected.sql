-- Who is in each Segment at each instant of demo.json, in plain SQL over the source files, without Convoke.
-- Reads customers.csv, orders.ndjson and demo.json; leaves `members` (instant, segment, profile), and `withheld` (profile) of who may
-- not be sent; its last statement is expected.json.
CREATE TEMP TABLE instants AS SELECT unnest("at")::TIMESTAMP AS now FROM read_json('demo.json', columns = {'at': 'VARCHAR[]'});
CREATE TEMP TABLE customers AS FROM read_csv('customers.csv');
CREATE TEMP TABLE orders AS
FROM read_json('orders.ndjson', columns = {'customer': 'VARCHAR', 'at': 'TIMESTAMP', 'total': 'DECIMAL(12, 2)'});

CREATE TEMP TABLE withheld AS SELECT id AS profile FROM customers WHERE opt_out;

CREATE TEMP TABLE members AS
SELECT strftime(now, '%Y-%m-%dT%H:%M:%SZ') AS instant, segment, profile
FROM (
  SELECT now, 'gold-members' AS segment, id AS profile FROM instants, customers WHERE tier = 'gold' AND opt_out IS DISTINCT FROM true
  UNION ALL
  SELECT now, 'big-spenders', customer FROM instants, orders o
  WHERE o."at" <= now AND o."at" >= now - INTERVAL 30 DAY
  GROUP BY now, customer HAVING sum(total) >= 200
  UNION ALL
  SELECT now, 'lapsed-buyers', customer FROM instants, orders o
  WHERE o."at" <= now
  GROUP BY now, customer HAVING count(*) >= 2 AND max(o."at") < now - INTERVAL 90 DAY
);

SELECT instant, segment, count(*)::INTEGER AS members FROM members GROUP BY ALL ORDER BY ALL;
