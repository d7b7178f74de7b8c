import { Anchor, Breadcrumbs, Group, Stack, Text, Title } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import { type ReactNode, useEffect } from "react";

interface PageProps {
  title: string;
  /** Where the page stands: text and address of each step above it. */
  crumbs?: { label: string; to: string }[];
  /** One line below the title. */
  lead?: ReactNode;
  /** Buttons at the right of the title. */
  actions?: ReactNode;
  children: ReactNode;
}

/** A page: one heading, a way back, and the document's title. */
export function Page({ title, crumbs = [], lead, actions, children }: PageProps) {
  useEffect(() => {
    document.title = `${title} · k8s-gpu-management`;
  }, [title]);
  return (
    <Stack gap="md" p={{ base: "sm", sm: "md" }} className="page">
      <Group justify="space-between" align="flex-end" gap="sm">
        <div>
          {crumbs.length > 0 && (
            <Breadcrumbs mb={2} component="nav">
              {crumbs.map((crumb) => (
                <Anchor key={crumb.to} component={Link} to={crumb.to as never} size="sm">
                  {crumb.label}
                </Anchor>
              ))}
            </Breadcrumbs>
          )}
          <Title order={1} size="h3" tabIndex={-1} id="page-title">
            {title}
          </Title>
          {lead && (
            <Text c="dimmed" size="sm" component="div">
              {lead}
            </Text>
          )}
        </div>
        {actions && <Group gap="xs">{actions}</Group>}
      </Group>
      {children}
    </Stack>
  );
}
