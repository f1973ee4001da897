// The studies of the storage, as links.
import { visible } from "../format.js";
import { href } from "../router.js";
import { studies } from "../store.js";

export function AllStudies() {
  const all = studies.value;
  if (all?.length === 0) return <p class="empty">This storage has no study yet.</p>;
  return (
    <ul>
      {all?.map((s) => (
        <li key={s.id}>
          <a href={href("overview", s.id)}>{visible(s.name)}</a>
        </li>
      ))}
    </ul>
  );
}
