"""The node ``view``: what a person sees of the robot and may change, in a web browser and as markers for rviz.

It reads topics and calls services, as any panel may, so that it knows no difference between the real robot and the
simulated one. Nothing waits for it: without it the robot walks as before. ``e_stop`` is published only by a press of a
browser's stop.
"""

from __future__ import annotations

from diagnostic_msgs.msg import DiagnosticStatus

from diffusion_mpc_ros.core import clock
from diffusion_mpc_ros.nodes.managed_node import ManagedNode, Status
from diffusion_mpc_ros.nodes.parameters import frame_prefix
from diffusion_mpc_ros.nodes.runtime import run
from diffusion_mpc_ros.nodes.settings import ViewSettings
from diffusion_mpc_ros.nodes.view_desk import ViewDesk
from diffusion_mpc_ros.nodes.view_markers import ViewMarkers
from diffusion_mpc_ros.nodes.view_topics import ViewTopics
from diffusion_mpc_ros.simulation.meshes import robot_links
from diffusion_mpc_ros.view.browser.server import Browser
from diffusion_mpc_ros.view.presenter import Presenter
from diffusion_mpc_ros.view.scene import Trail, draw
from diffusion_mpc_ros.view.seen import Seen

# While nobody looks, topics are read only every so many turns.
IDLE = 10


class ViewNode(ManagedNode):
    """Reads what there is, draws it for whoever looks, and passes on what they ask for."""

    def __init__(self) -> None:
        super().__init__("view")
        settings = self.declare(ViewSettings)
        self._seen, self._trail = Seen(), Trail()
        self._turn, self._pictures = 0, 0
        self._topics = ViewTopics(self.intake, self._seen)
        self._desk = ViewDesk(self, self._seen, self._tell)
        self._markers = ViewMarkers(self, frame_prefix(self, settings.frame_prefix) + settings.odom_frame)
        self._presenter: Presenter | None = None
        if settings.browser:
            title = self.get_namespace().strip("/") or "Go2"
            browser = Browser(settings.address, settings.port, title, robot_links(), settings.rate, self._desk)
            self._presenter = Presenter(browser, self._seen, self._desk.wishes, self._desk.said)
            self.get_logger().info(f"open {browser.url} in a browser")
        self.every(1.0 / settings.rate, self._update)

    def close(self) -> None:
        """Close the browsers' door."""
        if self._presenter is not None:
            self._presenter.browser.close()

    @property
    def _browsers(self) -> int:
        return 0 if self._presenter is None else self._presenter.browser.browsers

    def _tell(self, text: str, good: bool) -> None:
        self.get_logger().info(text)
        if self._presenter is not None:
            self._presenter.browser.tell(text, good)

    def _update(self) -> None:
        self._turn += 1
        self._desk.work()
        if not (self._browsers or self._markers.wanted) and self._turn % IDLE:
            return
        states = self._topics.read()
        drawing = draw(self._seen)
        if drawing is not None:
            self._trail.add(drawing.robot.position)
            self._pictures += 1
            self._markers.publish(drawing, self._trail.points, self.stamp())
        if self._presenter is not None:
            self._presenter.show(states, drawing, self._trail.points, clock.now())

    def status(self) -> Status:
        """How many look, and whether there is something to see."""
        values = {"browsers": self._browsers, "pictures": self._pictures}
        if not self._seen.hears_robot(clock.now()):
            return DiagnosticStatus.WARN, "no robot_state is heard", values
        return DiagnosticStatus.OK, "the robot is seen", values


def main() -> None:
    """Console entry point."""
    run(ViewNode)


if __name__ == "__main__":
    main()
