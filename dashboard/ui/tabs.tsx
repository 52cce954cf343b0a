/** Views of one page, each with an address of its own. */
import { routeHref } from "../frame/router.ts";

export interface TabsProps {
  readonly label: string;
  readonly page: string;
  readonly current: string;
  readonly views: readonly { readonly id: string; readonly title: string }[];
}

export function Tabs({ label, page, current, views }: TabsProps) {
  return (
    <nav class="tabs" aria-label={label}>
      {views.map(({ id, title }) => (
        <a
          key={id}
          class="tab"
          href={routeHref(page, { view: id })}
          aria-current={id === current ? "page" : undefined}
        >
          {title}
        </a>
      ))}
    </nav>
  );
}
