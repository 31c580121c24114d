import { type Client, createClient, type InStatement, type InValue } from "@libsql/client/http";

/**
 * A small but realistic shop: related tables, text in several scripts, blobs, dates, a view, a trigger and
 * about 50,000 rows. Always the same, to the byte.
 */
const SCHEMA = `
CREATE TABLE customers (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL,
  email TEXT NOT NULL UNIQUE,
  city TEXT NOT NULL,
  joined TEXT NOT NULL
);
CREATE TABLE products (
  sku TEXT PRIMARY KEY,
  title TEXT NOT NULL,
  price REAL NOT NULL CHECK (price >= 0),
  stock INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE TABLE photos (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  sku TEXT NOT NULL REFERENCES products (sku),
  bytes BLOB NOT NULL
);
CREATE TABLE orders (
  id INTEGER PRIMARY KEY,
  customer INTEGER NOT NULL REFERENCES customers (id),
  placed TEXT NOT NULL,
  note TEXT
);
CREATE TABLE order_items (
  order_id INTEGER NOT NULL REFERENCES orders (id),
  sku TEXT NOT NULL REFERENCES products (sku),
  quantity INTEGER NOT NULL,
  price REAL NOT NULL,
  PRIMARY KEY (order_id, sku)
);
CREATE TABLE reviews (
  sku TEXT NOT NULL REFERENCES products (sku),
  customer INTEGER NOT NULL REFERENCES customers (id),
  stars INTEGER NOT NULL CHECK (stars BETWEEN 1 AND 5),
  said TEXT
);
CREATE INDEX orders_by_customer ON orders (customer, placed);
CREATE INDEX reviews_by_sku ON reviews (sku);
CREATE VIEW bestsellers AS
  SELECT sku, title, sum(quantity) AS sold FROM order_items JOIN products USING (sku)
  GROUP BY sku ORDER BY sold DESC;
CREATE TRIGGER take_from_stock AFTER INSERT ON order_items BEGIN
  UPDATE products SET stock = stock - new.quantity WHERE sku = new.sku;
END;
PRAGMA user_version = 7;
`;

const FIRST_NAMES = [
  "Ada",
  "Łukasz",
  "Σοφία",
  "Мария",
  "さくら",
  "أمينة",
  "प्रिया",
  "José",
  "Zoë",
  "민준",
];
const LAST_NAMES = [
  "O'Neill",
  "Novák",
  "Παππάς",
  "Иванов",
  "田中",
  "الحسن",
  "शर्मा",
  "García",
  "Ångström",
  "김",
];
const CITIES = [
  "Reykjavík",
  "São Paulo",
  "Αθήνα",
  "Київ",
  "東京",
  "القاهرة",
  "मुंबई",
  "서울",
  "Köln",
  "Oslo",
];
const THINGS = [
  "lamp",
  "kettle",
  "茶碗",
  "чайник",
  "φλιτζάνι",
  "سجادة",
  "दीपक",
  "poncho",
  "Stuhl",
  "알람시계",
];
const REMARKS = [
  "It's exactly what I wanted 🌙",
  "Arrived late;\nbut in one piece.",
  'He said "never again" -- and meant it',
  "とても良い",
  "Очень хорошо, спасибо!",
  "ممتاز",
  "बहुत बढ़िया 👍🏽",
  "C:\\new\\table — tested\tand approved",
];

/** Create a small seeded generator (mulberry32), so that every run makes the same shop. */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

type Row = InValue[];

function* shopRows(share: number): Generator<[table: string, rows: Row[]]> {
  const random = seeded(20261121);
  const below = (limit: number) => Math.floor(random() * limit);
  const pick = <T>(list: readonly T[]): T => list[below(list.length)]!;
  const times = <T>(count: number, make: (index: number) => T) =>
    Array.from({ length: count }, (_, at) => make(at));
  const date = () => new Date(Date.UTC(2024, 0, 1) + below(1050 * 86_400) * 1000).toISOString();
  const sku = (index: number) => `NJ-${String(index).padStart(4, "0")}`;
  const [customers, orders] = [6000 * share, 14_000 * share];
  const cents = () => below(20_000) / 100;

  yield [
    "customers",
    times(customers, (id) => [
      id + 1,
      `${pick(FIRST_NAMES)} ${pick(LAST_NAMES)}`,
      `c${id + 1}@example.com`,
      pick(CITIES),
      date(),
    ]),
  ];
  yield [
    "products",
    times(500, (id) => [sku(id), `${pick(THINGS)} no. ${id}`, cents(), 1000 + below(9000)]),
  ];
  yield [
    "photos",
    times(300, (id) => [
      id + 1,
      sku(below(500)),
      Uint8Array.from({ length: 500 + below(3000) }, () => below(256)),
    ]),
  ];
  yield [
    "orders",
    times(orders, (id) => [
      id + 1,
      1 + below(customers),
      date(),
      below(4) === 0 ? pick(REMARKS) : null,
    ]),
  ];
  yield [
    "order_items",
    times(orders, (id) => id + 1).flatMap((order) => {
      const first = below(490);
      return times(1 + below(3), (nth) => [order, sku(first + nth * 3), 1 + below(4), cents()]);
    }),
  ];
  yield [
    "reviews",
    times(3000 * share, () => [
      sku(below(500)),
      1 + below(customers),
      1 + below(5),
      below(3) === 0 ? null : pick(REMARKS),
    ]),
  ];
}

/**
 * Load the shop into an empty libSQL database; returns the number of rows.
 *
 * @param share the share of customers, orders and reviews to load; products and photos are always complete
 */
export async function loadShop(url: string, share = 1): Promise<number> {
  const client = createClient({ url });
  try {
    await client.executeMultiple(SCHEMA);
    let total = 0;
    for (const [table, rows] of shopRows(share)) {
      total += rows.length;
      for (let at = 0; at < rows.length; at += 5000)
        await insert(client, table, rows.slice(at, at + 5000));
    }
    return total;
  } finally {
    client.close();
  }
}

async function insert(client: Client, table: string, rows: Row[]): Promise<void> {
  const group = 100;
  const statements: InStatement[] = [];
  for (let at = 0; at < rows.length; at += group) {
    const some = rows.slice(at, at + group);
    const marks = some.map((row) => `(${row.map(() => "?").join(",")})`).join(",");
    statements.push({ sql: `INSERT INTO ${table} VALUES ${marks}`, args: some.flat() });
  }
  await client.batch(statements, "write");
}
