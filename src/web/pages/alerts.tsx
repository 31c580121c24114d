import { Coded, When, Word } from "../parts/words.tsx";
import { ListPage } from "./lists.tsx";

interface IncidentAnswer {
  readonly id: string;
  readonly title: string;
  readonly severity: "warning" | "critical";
  readonly summary: string;
  readonly hint: string;
  readonly database: string | null;
  readonly openedAt: string;
  readonly closedAt: string | null;
}

interface ApprovalAnswer {
  readonly id: string;
  readonly summary: string;
  readonly requestedByName: string;
  readonly requestedAt: string;
  readonly state: string;
}

interface AlertsPageOf {
  readonly who: string;
  readonly incidents: readonly IncidentAnswer[];
  readonly approvals: readonly ApprovalAnswer[];
  readonly next: string | undefined;
  readonly now: number;
}

/** What is wrong and was, and what waits for a second person. */
export function AlertsPage({ who, incidents, approvals, next, now }: AlertsPageOf) {
  return (
    <ListPage
      who={who}
      place="Alerts"
      title="Alerts"
      head={["What", "Severity", "Since", "Over"]}
      rows={incidents.map(({ id, title, severity, openedAt, closedAt }) => [
        <a href={`/alerts/${id}`}>{title}</a>,
        <Word tone={closedAt !== null ? "idle" : severity === "critical" ? "bad" : "warn"}>
          {severity}
        </Word>,
        <When at={openedAt} now={now} />,
        closedAt === null ? "not yet" : <When at={closedAt} now={now} />,
      ])}
      empty="Nothing was wrong."
      next={next}
    >
      {approvals.map(({ id, summary, requestedByName, requestedAt }) => (
        <div class="note">
          <p>
            {requestedByName} asks to {summary}, <When at={requestedAt} now={now} />.
          </p>
          <form class="line" method="post" action={`/approvals/${id}/grant`}>
            <button>Grant</button>
          </form>
          <form class="line" method="post" action={`/approvals/${id}/deny`}>
            <button>Deny</button>
          </form>
        </div>
      ))}
    </ListPage>
  );
}

interface IncidentPageOf {
  readonly who: string;
  readonly incident: IncidentAnswer & {
    readonly deliveries: readonly {
      readonly channel: string;
      readonly kind: string;
      readonly createdAt: string;
      readonly attempts: number;
      readonly deliveredAt: string | null;
      readonly abandonedAt: string | null;
      readonly error: { readonly message: string } | null;
    }[];
  };
  readonly now: number;
}

/** One incident, and who was told of it. */
export function IncidentPage({ who, incident, now }: IncidentPageOf) {
  const { title, severity, summary, hint, database, openedAt, closedAt, deliveries } = incident;
  return (
    <ListPage
      who={who}
      place="Alerts"
      title={title}
      head={["Channel", "Message", "Entered", "Taken", "Tries", "Last error"]}
      rows={deliveries.map((one) => [
        ...[one.channel, one.kind, <When at={one.createdAt} now={now} />],
        one.deliveredAt !== null ? (
          <When at={one.deliveredAt} now={now} />
        ) : one.abandonedAt !== null ? (
          "given up"
        ) : (
          "waiting"
        ),
        ...[String(one.attempts), one.error?.message ?? ""],
      ])}
      empty="Nobody was told of it: no channel takes it."
    >
      <p>
        <Word tone={closedAt !== null ? "good" : severity === "critical" ? "bad" : "warn"}>
          {closedAt !== null ? "over" : severity}
        </Word>{" "}
        since <When at={openedAt} now={now} />
      </p>
      <p>
        <Coded text={summary} />
      </p>
      <p>
        <Coded text={hint} />
      </p>
      {database !== null && (
        <p>
          <a href={`/databases/${database}`}>{database}</a>
        </p>
      )}
    </ListPage>
  );
}
