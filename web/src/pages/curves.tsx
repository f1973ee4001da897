import { Panel } from "../components/Panel.js";
import { AllTrials } from "../parts/AllTrials.js";

export default function Curves() {
  return <div class="page"><Panel title="Curves" wide><AllTrials /></Panel></div>;
}
