-- Who is in each Segment at each instant of demo.json, in plain SQL over the file as published, without Convoke.
-- Reads CDNOW_master.txt and demo.json; leaves `members` (instant, segment, profile); its last statement is expected.json.
CREATE TEMP TABLE instants AS SELECT unnest("at")::TIMESTAMP AS now FROM read_json('demo.json', columns = {'at': 'VARCHAR[]'});

CREATE TEMP TABLE purchases AS
SELECT
  trim(substr(line, 1, 6)) AS customer,
  strptime(substr(line, 8, 8), '%Y%m%d') AS ts,
  trim(substr(line, 17, 3))::INTEGER AS discs,
  trim(substr(line, 20))::DECIMAL(12, 2) AS dollars
FROM (SELECT unnest(string_split(replace(content, chr(13), ''), chr(10))[2:]) AS line FROM read_text('CDNOW_master.txt'))
WHERE line <> '';

-- One row per instant and customer: all that the Segments ask about what had happened by then.
CREATE TEMP TABLE facts AS
SELECT
  now,
  customer,
  count(*) AS orders,
  sum(dollars) AS spent,
  avg(dollars) AS basket,
  count(*) FILTER (discs >= 5 AND age <= INTERVAL 365 DAY) AS bulk_orders,
  count(*) FILTER (age <= INTERVAL 30 DAY) AS orders_30,
  count(*) FILTER (age > INTERVAL 30 DAY AND age <= INTERVAL 210 DAY) AS orders_30_210,
  count(*) FILTER (age > INTERVAL 210 DAY) AS orders_before_210,
  count(*) FILTER (age <= INTERVAL 180 DAY) AS orders_180,
  count(*) FILTER (date_trunc('month', ts) = date_trunc('month', now) - INTERVAL 1 MONTH) AS orders_last_month,
  coalesce(sum(dollars) FILTER (age <= INTERVAL 90 DAY), 0) AS spent_90,
  coalesce(sum(dollars) FILTER (age > INTERVAL 90 DAY AND age <= INTERVAL 180 DAY), 0) AS spent_90_before
FROM (SELECT *, now - ts AS age FROM instants, purchases WHERE ts <= now)
GROUP BY now, customer;

CREATE TEMP TABLE members AS
SELECT strftime(now, '%Y-%m-%dT%H:%M:%SZ') AS instant, unnest(segments) AS segment, customer AS profile
FROM (
  SELECT now, customer, list_filter([
    CASE WHEN orders = 1 THEN 'one-time-buyers' END,
    CASE WHEN orders >= 3 THEN 'repeat-buyers' END,
    CASE WHEN spent >= 250 THEN 'big-spenders' END,
    CASE WHEN orders >= 2 AND basket >= 60 THEN 'high-average-basket' END,
    CASE WHEN bulk_orders >= 2 THEN 'collectors' END,
    CASE WHEN orders_30 > 0 THEN 'recent-buyers' END,
    CASE WHEN orders_last_month > 0 THEN 'last-month-buyers' END,
    CASE WHEN orders >= 2 AND orders_180 = 0 THEN 'lapsed-repeat-buyers' END,
    CASE WHEN spent_90 - spent_90_before >= 20 THEN 'rising-spend' END,
    CASE WHEN orders_30 > 0 AND orders_30_210 = 0 AND orders_before_210 > 0 THEN 'returned-after-silence' END,
    CASE WHEN spent >= 250 AND orders >= 2 AND orders_180 = 0 THEN 'lapsed-big-spenders' END
  ], lambda segment: segment IS NOT NULL) AS segments
  FROM facts
);

SELECT instant, segment, count(*)::INTEGER AS members FROM members GROUP BY ALL ORDER BY ALL;
