/** Format an amount of US dollars for people; one that is not nothing is never shown as nothing. */
export function dollars(amount: number): string {
  return amount > 0 && amount < 0.01 ? "< $0.01" : `$${amount.toFixed(2)}`;
}
