interface ChoiceOf {
  readonly name: string;
  readonly label: string;
  readonly value: string;
  readonly choices: readonly string[];
}

/** One of several values, or all of them, in a form that filters. */
export function Choice({ name, label, value, choices }: ChoiceOf) {
  return (
    <label>
      {label}{" "}
      <select name={name}>
        <option value="">all</option>
        {choices.map((choice) => (
          <option value={choice} selected={choice === value}>
            {choice}
          </option>
        ))}
      </select>
    </label>
  );
}
