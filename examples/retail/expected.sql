-- Who is in each Segment at each instant of demo.json, in plain SQL over the package's files, without Convoke.
-- Reads the package's Parquet files and demo.json; leaves `members` (instant, segment, profile); its last statement is expected.json.
CREATE TEMP TABLE instants AS SELECT unnest("at")::TIMESTAMP AS now FROM read_json('demo.json', columns = {'at': 'VARCHAR[]'});

-- Whatever had happened by each instant, and how long before.
CREATE TEMP VIEW items AS
SELECT now, now - transaction_timestamp AS age, transaction_timestamp AS ts, household_id, basket_id,
  sales_value::DECIMAL(12, 2) AS sales, department, product_category AS category, brand
FROM instants, 'transactions.parquet' LEFT JOIN 'products.parquet' USING (product_id)
WHERE transaction_timestamp <= now;
CREATE TEMP TABLE baskets AS SELECT now, age, household_id, basket_id, sum(sales) AS total FROM items GROUP BY ALL;
CREATE TEMP TABLE sends AS
SELECT now, now - start_date AS age, start_date AS ts, household_id
FROM instants, 'campaigns.parquet' JOIN 'campaign_descriptions.parquet' USING (campaign_id)
WHERE start_date <= now;
CREATE TEMP TABLE redemptions AS
SELECT now, now - redemption_date AS age, redemption_date AS ts, household_id
FROM instants, 'coupon_redemptions.parquet'
WHERE redemption_date <= now;

CREATE TEMP TABLE found (now TIMESTAMP, segment VARCHAR, household_id BIGINT);

INSERT INTO found
SELECT now, 'families', household_id FROM instants, 'demographics.parquet' WHERE kids_count <> '0';

INSERT INTO found
SELECT DISTINCT now, 'big-basket-today', household_id FROM baskets WHERE age <= INTERVAL 24 HOUR AND total >= 50;

INSERT INTO found
SELECT DISTINCT now, 'families-shopping-today', household_id
FROM baskets SEMI JOIN (FROM 'demographics.parquet' WHERE kids_count <> '0') USING (household_id)
WHERE age <= INTERVAL 24 HOUR AND total >= 30;

INSERT INTO found
SELECT now, 'lapsed-households', household_id FROM baskets
GROUP BY now, household_id HAVING count(*) >= 10 AND min(age) > INTERVAL 30 DAY;

INSERT INTO found
SELECT now, 'rising-spend', household_id
FROM (
  SELECT now, household_id,
    coalesce(sum(total) FILTER (age <= INTERVAL 30 DAY), 0) AS recent,
    coalesce(sum(total) FILTER (age > INTERVAL 30 DAY AND age <= INTERVAL 60 DAY), 0) AS before
  FROM baskets
  GROUP BY now, household_id
)
WHERE recent >= 100 AND recent > 1.5 * before;

INSERT INTO found
SELECT now, 'best-customers', household_id FROM baskets
WHERE age <= INTERVAL 180 DAY
GROUP BY now, household_id HAVING sum(total) >= 2000;

INSERT INTO found
SELECT now, 'slipping-best-customers', household_id
FROM baskets SEMI JOIN (FROM found WHERE segment = 'best-customers') USING (now, household_id)
GROUP BY now, household_id
HAVING coalesce(sum(total) FILTER (age <= INTERVAL 30 DAY), 0)
  < 0.5 * coalesce(sum(total) FILTER (age > INTERVAL 30 DAY AND age <= INTERVAL 60 DAY), 0);

INSERT INTO found
SELECT now, 'big-basket-shoppers', household_id FROM baskets
WHERE age <= INTERVAL 90 DAY
GROUP BY now, household_id HAVING count(*) >= 3 AND avg(total) >= 60;

INSERT INTO found
SELECT now, 'coupon-lovers', household_id FROM redemptions
WHERE age <= INTERVAL 180 DAY
GROUP BY now, household_id HAVING count(*) >= 3;

INSERT INTO found
SELECT DISTINCT now, 'campaign-responders', household_id
FROM sends JOIN redemptions USING (now, household_id)
WHERE sends.age <= INTERVAL 60 DAY AND redemptions.age <= INTERVAL 30 DAY AND sends.ts < redemptions.ts;

INSERT INTO found
SELECT DISTINCT now, 'campaign-ignorers', household_id
FROM (FROM sends WHERE age <= INTERVAL 60 DAY)
ANTI JOIN (FROM redemptions WHERE age <= INTERVAL 60 DAY) USING (now, household_id);

INSERT INTO found
SELECT now, 'new-parents', household_id FROM items
WHERE category IN ('DIAPERS & DISPOSABLES', 'BABY FOODS', 'BABYFOOD', 'INFANT FORMULA')
GROUP BY now, household_id HAVING count(*) >= 2 AND max(age) <= INTERVAL 90 DAY;

INSERT INTO found
SELECT now, 'soft-drinks-to-sparkling-water', household_id FROM items
GROUP BY now, household_id
HAVING bool_or(category = 'SOFT DRINKS' AND age > INTERVAL 60 DAY)
  AND NOT bool_or(category IS NOT DISTINCT FROM 'SOFT DRINKS' AND age <= INTERVAL 60 DAY)
  AND bool_or(category = 'WATER - CARBONATED/FLVRD DRINK' AND age <= INTERVAL 60 DAY);

INSERT INTO found
SELECT now, 'private-label-loyals', household_id FROM items
WHERE age <= INTERVAL 90 DAY
GROUP BY now, household_id HAVING count(*) >= 30 AND sum(sales) FILTER (brand = 'Private') > 0.4 * sum(sales);

INSERT INTO found
SELECT now, 'pet-owners', household_id FROM items
WHERE regexp_matches(category, '(CAT|DOG) FOOD') AND age <= INTERVAL 180 DAY
GROUP BY now, household_id HAVING count(*) >= 4;

INSERT INTO found
SELECT now, 'fresh-produce-regulars', household_id FROM items
WHERE department = 'PRODUCE' AND date_trunc('month', ts) = date_trunc('month', now) - INTERVAL 1 MONTH
GROUP BY now, household_id HAVING count(*) >= 10;

INSERT INTO found
SELECT now, 'affluent-families-without-organics', household_id
FROM (
  SELECT now, household_id FROM instants, 'demographics.parquet'
  WHERE kids_count <> '0' AND income IN ('75-99K', '100-124K', '125-149K', '150-174K', '175-199K', '200-249K', '250K+')
)
ANTI JOIN (FROM items WHERE category = 'ORGANICS FRUIT & VEGETABLES' AND age <= INTERVAL 90 DAY) USING (now, household_id);

CREATE TEMP TABLE members AS
SELECT strftime(now, '%Y-%m-%dT%H:%M:%SZ') AS instant, segment, household_id::VARCHAR AS profile FROM found;

SELECT instant, segment, count(*)::INTEGER AS members FROM members GROUP BY ALL ORDER BY ALL;
