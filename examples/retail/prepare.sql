-- From the package's Parquet files to the files that the Datasets and Campaign's recipients are read from.
-- Relative names are read from the package's folder and written to the volumes' folder: see examples/fetch.ts.

CREATE TEMP TABLE households AS SELECT DISTINCT household_id FROM 'transactions.parquet';

-- Bands become their lower ends, so that Segments can compare them: 50-74K is 50000, 250K+ is 250000, Under 15K is 0; 3+ kids are 3.
-- The data knows a household by number alone; the address is made from it, and every fortieth household has none, on purpose.
COPY (
  SELECT
    household_id,
    CASE WHEN household_id % 40 <> 0 THEN 'hh' || household_id || '@example.test' END AS email,
    age AS age_band,
    income AS income_band,
    CASE WHEN income = 'Under 15K' THEN 0 ELSE regexp_extract(income, '^[0-9]+')::INTEGER * 1000 END AS income_from,
    home_ownership,
    marital_status,
    regexp_extract(household_size, '^[0-9]+') AS size,
    household_comp AS composition,
    regexp_extract(kids_count, '^[0-9]+') AS kids,
    '2017-01-01T00:00:00Z' AS updated_at
  FROM households LEFT JOIN 'demographics.parquet' USING (household_id)
  ORDER BY household_id
) TO 'landing/households/households.csv' (FORMAT csv);

CREATE TEMP TABLE items AS
SELECT household_id, basket_id, transaction_timestamp AS bought_at, store_id, department, product_category AS category, brand, quantity,
  sales_value::DECIMAL(12, 2) AS sales
FROM 'transactions.parquet' LEFT JOIN 'products.parquet' USING (product_id);

COPY (
  SELECT 'purchase' AS type, household_id::VARCHAR AS household, basket_id::VARCHAR AS basket, bought_at, store_id::VARCHAR AS store,
    count(*) AS lines, sum(sales)::DOUBLE AS total
  FROM items
  GROUP BY ALL
  ORDER BY bought_at, basket
) TO 'landing/baskets/baskets.parquet' (FORMAT parquet, COMPRESSION zstd);

COPY (
  SELECT 'purchase.item' AS type, household_id::VARCHAR AS household, basket_id::VARCHAR AS basket, bought_at, department, category, brand,
    quantity, sales::DOUBLE AS sales
  FROM items
  ORDER BY bought_at, basket, department, category, brand, quantity, sales
) TO 'landing/items/items.parquet' (FORMAT parquet, COMPRESSION zstd);

-- A campaign reaches its households on its first day; a redemption is known by its day: both count as the day's first instant, UTC.
COPY (
  SELECT
    household_id::VARCHAR AS household,
    'campaign.sent' AS type,
    strftime(start_date, '%Y-%m-%dT%H:%M:%SZ') AS "at",
    struct_pack(id := campaign_id::VARCHAR, kind := campaign_type) AS campaign
  FROM 'campaigns.parquet' JOIN 'campaign_descriptions.parquet' USING (campaign_id)
  ORDER BY "at", household_id, campaign_id
) TO 'landing/campaign-sends/sends.ndjson' (FORMAT json);

COPY (
  SELECT
    household_id::VARCHAR AS household,
    'coupon.redeemed' AS type,
    strftime(redemption_date, '%Y-%m-%dT%H:%M:%SZ') AS "at",
    struct_pack(id := campaign_id::VARCHAR, kind := campaign_type) AS campaign,
    coupon_upc::VARCHAR AS coupon
  FROM 'coupon_redemptions.parquet' JOIN 'campaign_descriptions.parquet' USING (campaign_id)
  ORDER BY "at", household_id, coupon
) TO 'landing/coupon-redemptions/redemptions.ndjson' (FORMAT json);

-- Every twenty-fifth household is not in Campaign, on purpose: the import must reject those rows and create nobody.
COPY (
  SELECT
    household_id AS external_id,
    CASE WHEN household_id % 40 <> 0 THEN 'hh' || household_id || '@example.test' END AS email,
    NULL AS household_size, NULL AS household_kids, NULL AS income_band, NULL AS income_from, NULL AS marital_status,
    household_id % 30 = 0 AS blacklist_email,
    household_id % 45 = 0 AS blacklist_postal_mail
  FROM households
  WHERE household_id % 25 <> 13
  ORDER BY household_id
) TO 'campaign/production/recipients.csv' (FORMAT csv);
