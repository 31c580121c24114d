/**
 * A database of a few pages: backing it up makes the same calls as the sample shop, in a twentieth of the
 * time.
 */
export const SMALL_SHOP = `
CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
CREATE TABLE orders (id INTEGER PRIMARY KEY, customer INTEGER REFERENCES customers (id), note TEXT);
CREATE INDEX orders_by_customer ON orders (customer);
CREATE VIEW busy AS SELECT customer, count(*) AS orders FROM orders GROUP BY customer;
INSERT INTO customers (name) VALUES ('Ada'), ('Zoë'), ('さくら');
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 60)
INSERT INTO orders (customer, note) SELECT 1 + i % 3, hex(randomblob(190)) FROM n;
PRAGMA user_version = 7;
`;
