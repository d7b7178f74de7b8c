/** Numbers, money, units and time as people of a language read them. */

export interface FormatFacts {
  locale: string;
  currency: string;
  timeZone: string;
}

const NONE = "–";
type Maybe<T> = T | null | undefined;

/** Formatters for one language, currency and billing zone. Unknown values become a dash. */
export class Format {
  private readonly made = new Map<string, Intl.NumberFormat | Intl.DateTimeFormat>();

  private relative: Intl.RelativeTimeFormat | undefined;

  constructor(readonly facts: FormatFacts) {}

  /** A plain number: 6,212. */
  number(value: Maybe<number>, digits = 0): string {
    return value == null ? NONE : this.numbers({ maximumFractionDigits: digits }).format(value);
  }

  /** A number short enough for a tile: 1.2M, 120만. */
  compact(value: Maybe<number>): string {
    if (value == null) return NONE;
    return this.numbers({ notation: "compact", maximumFractionDigits: 1 }).format(value);
  }

  /** Money of the billing currency; cents below a thousand, whole units above. */
  money(value: Maybe<number>, digits?: number): string {
    if (value == null) return NONE;
    const shown = digits ?? (Math.abs(value) < 1000 ? 2 : 0);
    return this.numbers({
      style: "currency",
      currency: this.facts.currency,
      minimumFractionDigits: shown,
      maximumFractionDigits: shown,
    }).format(value);
  }

  /** Thousandths of a GPU as GPUs: 1,500 is 1.5. */
  gpus(milli: Maybe<number>): string {
    return milli == null ? NONE : this.number(milli / 1000, 1);
  }

  /** A percentage from 0 to 100. */
  pct(value: Maybe<number>, digits = 0): string {
    return value == null ? NONE : `${this.number(value, digits)} %`;
  }

  /** A ratio from 0 to 1 as a percentage. */
  ratio(value: Maybe<number>, digits = 0): string {
    return value == null ? NONE : this.pct(value * 100, digits);
  }

  /** MiB as GiB. */
  mib(value: Maybe<number>): string {
    return value == null ? NONE : `${this.number(value / 1024, 1)} GiB`;
  }

  /** A moment in the billing zone, to the minute. */
  time(moment: Maybe<string | number | Date>): string {
    if (moment == null) return NONE;
    return this.moments({ dateStyle: "medium", timeStyle: "short" }).format(new Date(moment));
  }

  /** A day in the billing zone. */
  date(moment: Maybe<string | number | Date>): string {
    if (moment == null) return NONE;
    return this.moments({ dateStyle: "medium" }).format(new Date(moment));
  }

  /** A time of day with seconds, for "as of". */
  clock(moment: Maybe<string | number | Date>): string {
    if (moment == null) return NONE;
    return this.moments({ timeStyle: "medium" }).format(new Date(moment));
  }

  /** A stretch of seconds in its two largest units: 2 d 4 h. */
  duration(seconds: Maybe<number>): string {
    if (seconds == null) return NONE;
    const parts: string[] = [];
    let left = Math.max(0, Math.round(seconds));
    for (const [unit, size] of UNITS) {
      const count = Math.floor(left / size);
      left -= count * size;
      if (count > 0) parts.push(this.unit(count, unit));
      if (parts.length === 2 || (parts.length === 1 && count === 0)) break;
    }
    return parts.join(" ") || this.unit(0, "second");
  }

  /** How long ago a moment was: 3 minutes ago. */
  since(moment: Maybe<string | number | Date>, now: number = Date.now()): string {
    if (moment == null) return NONE;
    const seconds = (new Date(moment).getTime() - now) / 1000;
    const [unit, size] = UNITS.find(([, one]) => Math.abs(seconds) >= one) ?? ["second", 1];
    this.relative ??= new Intl.RelativeTimeFormat(this.facts.locale, { numeric: "auto" });
    return this.relative.format(Math.round(seconds / size), unit);
  }

  private unit(count: number, unit: (typeof UNITS)[number][0]): string {
    return this.numbers({ style: "unit", unit, unitDisplay: "narrow" }).format(count);
  }

  private numbers(options: Intl.NumberFormatOptions): Intl.NumberFormat {
    return this.kept(options, () => new Intl.NumberFormat(this.facts.locale, options));
  }

  private moments(options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
    const zoned = { ...options, timeZone: this.facts.timeZone };
    return this.kept(zoned, () => new Intl.DateTimeFormat(this.facts.locale, zoned));
  }

  private kept<T extends Intl.NumberFormat | Intl.DateTimeFormat>(key: object, make: () => T): T {
    const name = JSON.stringify(key);
    const found = this.made.get(name) ?? make();
    this.made.set(name, found);
    return found as T;
  }
}

const UNITS = [
  ["day", 86_400],
  ["hour", 3600],
  ["minute", 60],
  ["second", 1],
] as const;
