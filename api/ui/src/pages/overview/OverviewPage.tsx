import { Title } from "@/parts/page";

export default function OverviewPage() {
  return <Title title="Overview" />;
}
